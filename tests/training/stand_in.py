"""A small detector and made-up faces, on which the loop runs in a second."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from config.schema import BackboneConfig, DetectorConfig, Optimizer
from detectors.backbones.base import Backbone
from detectors.base import AbstractDetector
from preprocessing.samples import Sample

SIDE = 24


class TinyBackbone(Backbone):
    """Two convolutions; batch norm and dropout only if asked for."""

    def __init__(self, config: BackboneConfig, norm: bool) -> None:
        super().__init__(config)
        self.channels = 8
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(0.2 if norm else 0.0),
            nn.Conv2d(8, 8, 3, 2),
            nn.ReLU(),
        )
        self.head = nn.Linear(8, config.num_classes)

    def features(self, images: Tensor) -> Tensor:
        return self.layers(images)

    def classifier(self, features: Tensor) -> Tensor:
        return self.head(self.pool(features))


class TinyDetector(AbstractDetector):
    """Writes down which hooks were called, and counts in buffers; `norm` adds batch norm and dropout."""

    def __init__(self, config: DetectorConfig, norm: bool = True) -> None:
        self.norm = norm
        super().__init__(config)
        self.calls: list[tuple[str, int]] = []
        self.register_buffer("steps_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("epochs_seen", torch.zeros((), dtype=torch.int64))

    def build_backbone(self, config: DetectorConfig) -> Backbone:
        return TinyBackbone(config.backbone_config, self.norm)

    def on_fit_start(self, context: Any) -> None:
        self.calls.append(("fit", context.epochs))

    def on_epoch_start(self, epoch: int) -> None:
        self.calls.append(("start", epoch))
        self.epochs_seen += 1

    def after_step(self, step: int) -> None:
        self.calls.append(("step", step))
        self.steps_seen += 1

    def on_epoch_end(self, epoch: int) -> None:
        self.calls.append(("end", epoch))


@dataclass
class ArrayFaces:
    """Noise; a fake is brighter on the left. `broken` faces cannot be read."""

    labels: np.ndarray
    broken: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.labels.tobytes()).hexdigest()

    def read(self, index: int) -> Sample:
        if index in self.broken:
            raise ValueError("the value is not an image")
        rng = np.random.default_rng(index)
        image = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        image[:, : SIDE // 2] += np.uint8(100 * self.labels[index])
        return Sample(image, rng.uniform(0, SIDE, (81, 2)).astype(np.float32), np.full((SIDE, SIDE), 255, np.uint8))


def make_faces(real: int = 12, fake: int = 20, **options: Any) -> ArrayFaces:
    """Faces, reals first."""
    return ArrayFaces(np.repeat(np.array([0, 1], np.int64), [real, fake]), **options)


def make_config(**keys: Any) -> DetectorConfig:
    """A configuration that trains in a moment."""
    defaults: dict[str, Any] = {
        "model_name": "tiny",
        "backbone_name": "tiny",
        "resolution": SIDE,
        "train_batchSize": 8,
        "workers": 0,
        "nEpochs": 2,
        "manualSeed": 3,
        "optimizer": Optimizer(adam={"lr": 0.01}),
    }
    return DetectorConfig(**(defaults | keys))


def make_detector(config: DetectorConfig, norm: bool = True, seed: int = 5) -> TinyDetector:
    """A detector with the same first weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyDetector(config, norm)
