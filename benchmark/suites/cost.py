"""What a cell will cost on this machine: images times the seconds of one, measured on a few random ones."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmark.loading import device_named
from benchmark.perf.stage import wait_for
from benchmark.suites.cells import TrainCell
from benchmark.suites.expected import expected_to_score, expected_to_train
from benchmark.suites.plan import Cell, State, status
from benchmark.train import images_of_an_epoch, training_faces, validation_faces
from config.schema import DetectorConfig
from detectors import build_detector
from evaluation.prediction import inference
from evaluation.scoring import faces_to_score
from training import RECIPE
from training.step import Stepper

CPU_BATCH = 2  # images: enough to tell on a CPU, where more of a large network take long


@dataclass(frozen=True, slots=True)
class Pace:
    """What a network takes for one image, and how often it sees all of them before training.

    Attributes:
        training: seconds of a step for an image.
        scoring: seconds of a forward pass for an image.
        passes: over the images of an epoch, forward alone, before the first step.
    """

    training: float
    scoring: float
    passes: int = 0


@dataclass(slots=True)
class Costs:
    """Estimates of cells' costs; each network is measured once.

    Loading is not measured: it goes on beside the network, and is slower only with few cores and a fast GPU.

    Attributes:
        device: where cells will be made.
        apart: whether variants of a method, which differ in its options, are measured apart.
    """

    device: str = "auto"
    apart: bool = True
    _paces: dict[str, Pace] = field(default_factory=dict)

    def seconds(self, cell: Cell) -> float | None:
        """How long a cell takes to make from nothing.

        Where its data are not there, as many faces are assumed as the data sets' cards expect; None if they do not say.
        """
        config = cell.config if isinstance(cell, TrainCell) else cell.of.config
        is_there = status(cell).state != State.WAITS
        if isinstance(cell, TrainCell):
            counts = _trained_on(cell) if is_there else expected_to_train(config)
        else:
            faces = (
                len(faces_to_score(cell.rows, config)) if is_there else expected_to_score(cell.test, cell.split, config)
            )
            counts = (0, faces and faces * (len(cell.perturb.variants) if cell.perturb else 1))
        trained, scored = counts
        if trained is None or scored is None:
            return None
        pace = self._pace(config)
        looked_at = pace.passes * trained / config.nEpochs
        return trained * pace.training + (looked_at + scored) * pace.scoring

    @property
    def name(self) -> str:
        """The device in words."""
        return str(device_named(self.device))

    def _pace(self, config: DetectorConfig) -> Pace:
        decisive = _of_a_step(config)
        key = json.dumps(decisive if self.apart else decisive | {"options": None}, sort_keys=True)
        if key not in self._paces:
            self._paces[key] = measure_pace(config, device_named(self.device))
        return self._paces[key]


def _of_a_step(config: DetectorConfig) -> dict[str, Any]:
    """What decides how long a step takes, so that rows which differ in their fakes or in a loss's weight share a pace.

    Of an option that is a fraction it counts whether it is 0, which leaves something out.
    """
    decisive = {
        "model_name",
        "backbone_name",
        "backbone_config",
        "loss_func",
        "dataset_type",
        "resolution",
        "with_mask",
        "with_landmark",
        "train_batchSize",
        "accumulate",
        "precision",
    }
    options = {key: bool(value) if isinstance(value, float) else value for key, value in config.options.items()}
    kept = config.model_dump(mode="json", include=decisive)
    return kept | {"optimizer": config.optimizer.type, "options": options}


def measure_pace(config: DetectorConfig, device: torch.device) -> Pace:
    """Time a training step and a forward pass of a random batch, on a CPU a small one, each after one that warms up."""
    unit = RECIPE[config.dataset_type].members * RECIPE[config.dataset_type].unit
    size = config.train_batchSize if device.type == "cuda" else max(unit, CPU_BATCH)
    detector = build_detector(config, pretrained=False)
    detector.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = {name: value.to(device) for name, value in detector.example_batch(size, torch.Generator()).items()}
    stepper = Stepper(detector, config, device)
    training = _timed(lambda: stepper.step([batch]), device)
    detector.eval()

    def score() -> None:
        with inference(device, "fp32"):
            detector({"image": batch["image"]}, inference=True)

    return Pace(training / size, _timed(score, device) / size, detector.passes_before_training)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, the shortest of three after a first."""
    work()
    found = []
    for _ in range(3):
        wait_for(device)
        started = time.perf_counter()
        work()
        wait_for(device)
        found.append(time.perf_counter() - started)
    return min(found)


def _trained_on(cell: TrainCell) -> tuple[int, int]:
    """How many images all epochs train on, and how many they are validated on."""
    shown = images_of_an_epoch(training_faces(cell.config, cell.data, cell.profile, cell.protocol), cell.config)
    validated = validation_faces(cell.config, cell.data, cell.profile, cell.protocol)
    return cell.config.nEpochs * shown, cell.config.nEpochs * len(validated or ())
