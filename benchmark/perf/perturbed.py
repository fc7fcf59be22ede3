"""An evaluation under perturbations beside the forward passes that it cannot do without."""

import time
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.perf.network import Setting, after_the_first, calls_of_a_block, repeated
from benchmark.perf.stage import Stage, medians
from config.schema import DetectorConfig
from evaluation.prediction import inference
from evaluation.scoring import score
from preprocessing.operators import to_network_size
from preprocessing.samples import FaceSet
from preprocessing.tensors import to_network
from preprocessing.views import Suite, load_suite, read_views

SUITE = "prodet_table4"  # three perturbations of ten draws
PRECISION = "fp32"
DISTINCT = 4  # faces, gone through as often as needed


def measure_perturbed(setting: Setting, faces: FaceSet, folder: Path) -> list[Stage]:
    """Scoring all views of stored faces as `assay evaluate --perturb` does, from the store to the table.

    Both it and the passes alone are timed from the end of the first face to that of the last, so that neither the start
    and end of processes nor a cold first pass counts, which a set of usual size spreads over all of its faces.

    Args:
        setting: what is scored.
        faces: stored crops.
        folder: where tables are written.
    """
    suite, device = load_suite(SUITE), setting.device
    config = setting.config.model_copy(update={"test_batchSize": len(suite.variants), "with_landmark": False})
    detector, few = setting.detector().eval(), FaceSet(faces.rows[:DISTINCT])
    batches = cycle([_views(few, index, suite, config, device) for index in range(len(few))])

    def forward() -> None:
        with inference(device, PRECISION):
            detector(next(batches), inference=True)

    count = max(2, calls_of_a_block(forward, setting.scale.block, device))
    rows = repeated(few, count + 1).rows

    def evaluate(_: int) -> float:
        ends: list[float] = []

        def progress(done: int, total: int) -> None:
            ends.append(time.perf_counter())

        score(
            detector,
            rows,
            folder / "perturbed.parquet",
            config,
            device,
            suite=suite,
            precision=PRECISION,
            workers=config.workers,
            on_progress=progress,
        )
        return (ends[-1] - ends[0]) / count

    alone = after_the_first(forward, count, 1, device)
    found = medians({"evaluate": evaluate, "forward": alone}, setting.scale)
    on = f"{setting.config.model_name}, {len(suite.variants)} views x {config.resolution} px"
    floor = "the network alone on the same views, normalised beforehand"
    return [Stage("evaluate perturbed", on, "faces", count, found["evaluate"], floor, found["forward"])]


def _views(faces: FaceSet, index: int, suite: Suite, config: DetectorConfig, device: torch.device) -> dict[str, Tensor]:
    """All views of a face as the network gets them."""
    _, views = read_views(faces, index, suite, lambda sample: sample)
    images = np.stack([to_network_size(view, config.resolution) for view in views])
    return to_network({"image": torch.from_numpy(images)}, config, device)
