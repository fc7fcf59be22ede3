"""What detectors that are compared on the same faces are given of them, and what they are called."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.loading import Trained
from benchmark.run_names import name_of_run
from config.schema import DetectorConfig
from preprocessing.margins import tight_crop
from preprocessing.operators import to_network_landmark, to_network_size
from preprocessing.samples import Sample
from preprocessing.tensors import to_network
from training.checkpoint import RunFolder
from training.pseudofakes.partners import landmarks_of


def as_seen(face: Sample, config: DetectorConfig) -> Sample:
    """A face as a detector sees it in an evaluation: a loose crop is cut to the face."""
    return face if face.box is None else tight_crop(face, [config.margins.test] * 4)


def data_of(faces: Sequence[Sample], trained: Trained) -> dict[str, Tensor]:
    """The `data_dict` of some faces, `as_seen`, on the detector's device; landmarks if it is given some."""
    config = trained.config
    batch = {"image": np.stack([to_network_size(face.image, config.resolution) for face in faces])}
    if config.with_landmark:
        batch["landmark"] = np.stack([_landmark(face, config.resolution) for face in faces])
    return to_network({key: torch.from_numpy(value) for key, value in batch.items()}, config, trained.device)


def name_of(weights: Path, trained: Trained) -> str:
    """The detector, with the name of its run folder or file when that says something else."""
    path = weights.resolve()
    in_run = path.is_file() and RunFolder(path.parent).config.is_file()
    given = f"{path.parent.name} {path.stem}" if in_run else path.stem if path.is_file() else path.name
    return name_of_run(trained.config.model_name, given)


def _landmark(face: Sample, resolution: int) -> npt.NDArray[np.float32]:
    """Landmarks of a face that was read with them, where the network's input has them."""
    height, width = face.image.shape[:2]
    return to_network_landmark(landmarks_of(face), height, width, resolution)
