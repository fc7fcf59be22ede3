"""Faces through a detector: P(fake) of each of their views, and if asked for the features behind it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from config.errors import InputError
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from preprocessing.clips import Image
from preprocessing.margins import tight_crop
from preprocessing.operators import to_network_landmark, to_network_size
from preprocessing.samples import BrokenSampleError, Faces, FaceSet, Sample
from preprocessing.tensors import to_network
from preprocessing.views import Suite, read_views
from preprocessing.workers import settle, worker_context


@dataclass(frozen=True, slots=True)
class Batch:
    """A scored batch.

    Attributes:
        indices: (B,) positions of the faces that could be read.
        scores: (B, V) P(fake) of each of their views.
        broken: positions of the faces whose pixels could not be read.
        features: (B, V, D) float32, or None if not asked for.
    """

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    broken: tuple[int, ...]
    features: npt.NDArray[np.float32] | None = None


def predict(
    detector: AbstractDetector,
    faces: Faces,
    config: DetectorConfig,
    device: torch.device,
    workers: int = 0,
    *,
    batches: Sequence[range] | None = None,
    precision: str = "fp32",
    suite: Suite | None = None,
    with_features: bool = False,
) -> Generator[Batch, None, None]:
    """Score faces a batch at a time; nothing is kept.

    Args:
        detector: its mode (train or eval) is restored afterwards.
        faces: what to score; with a suite a FaceSet.
        config: input size, normalisation and batch size.
        device: where the detector is.
        workers: processes that read, decode and perturb; 0 reads in this one.
        batches: the positions of each batch; by default all faces in order.
        precision: "fp32", exact on a GPU too, without TF32, or "bf16", by autocast.
        suite: score all of its views of each face, which is read once; by default the face as it is, one view.
        with_features: also give the features.

    Raises:
        InputError: views of a face are missing (`read_views`), or the detector's feature is no map and no vector.
    """
    if batches is None:
        batches = batches_of(range(len(faces)), config, suite)
    loader = DataLoader(
        _Inputs(faces, config, suite),
        batch_sampler=batches,  # type: ignore[arg-type]  # a range does as well as a list of all positions
        num_workers=workers if batches else 0,
        multiprocessing_context=worker_context() if workers and batches else None,
        collate_fn=_collate,
        worker_init_fn=settle,
        pin_memory=device.type == "cuda",
    )
    was_training = detector.training
    detector.eval()
    try:
        for made in loader:
            if made.error is not None:
                raise made.error
            data = {"image": made.images, "label": torch.as_tensor(faces.labels[made.indices])}
            if made.landmarks is not None:
                data["landmark"] = made.landmarks
            scores, features = _pass(detector, _by_view(data), config, device, precision, with_features)
            shape = made.images.shape[:2]
            yield Batch(
                made.indices,
                scores.reshape(shape),
                made.broken,
                None if features is None else features.reshape(*shape, -1),
            )
    finally:
        detector.train(was_training)


def batches_of(positions: range, config: DetectorConfig, suite: Suite | None = None) -> list[range]:
    """Consecutive positions in batches of `test_batchSize` views; the last may be shorter.

    All views of a face are in one batch, which is larger if a single face has more of them.
    """
    size = max(1, config.test_batchSize // (len(suite.variants) if suite else 1))
    return [positions[start : start + size] for start in range(0, len(positions), size)]


@contextmanager
def inference(device: torch.device, precision: str) -> Iterator[None]:
    """Forward passes without gradients; on a GPU convolutions without TF32, whose scores would differ from a CPU's.

    Args:
        device: where the network runs.
        precision: "fp32", or "bf16" by autocast.
    """
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"), exact:
        yield


def pooled(feature: Tensor) -> Tensor:
    """A feature (B, D) as it is, a feature map (B, D, h, w) as its mean over space; float32.

    Raises:
        InputError: it is neither.
    """
    if feature.ndim not in (2, 4):
        raise InputError(f"pred_dict['feat'] has shape {tuple(feature.shape)}; expected (B, D) or (B, D, h, w)")
    return feature.float() if feature.ndim == 2 else feature.float().mean((2, 3))


def _pass(
    detector: AbstractDetector,
    data: dict[str, Tensor],
    config: DetectorConfig,
    device: torch.device,
    precision: str,
    with_features: bool,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32] | None]:
    """Scores (N,) and features (N, D) of N views, at most `test_batchSize` of them at once."""
    scores: list[Tensor] = []
    features: list[Tensor] = []
    for start in range(0, len(data["image"]), config.test_batchSize):
        some = {key: value[start : start + config.test_batchSize] for key, value in data.items()}
        batch = to_network(some, config, device)
        with inference(device, precision):
            predicted = detector(batch, inference=True)
            scores.append(predicted["prob"].double().cpu())
            if with_features:
                features.append(pooled(predicted["feat"]).cpu())
    together = torch.cat(scores).numpy() if scores else np.empty(0)
    return together, torch.cat(features).numpy() if features else None


def _by_view(data: dict[str, Tensor]) -> dict[str, Tensor]:
    """Entries (B, ...) of faces, images (B, V, ...), as entries (B * V, ...) of views."""
    views = data["image"].shape[1]
    repeated = {key: value.repeat_interleave(views, 0) for key, value in data.items() if key != "image"}
    return {"image": data["image"].flatten(0, 1), **repeated}


class _Input(NamedTuple):
    """What is read of a face: (V, R, R, 3) uint8 and landmarks; no images if it is broken, or why nothing can be."""

    position: int
    images: Tensor | None = None
    landmark: Tensor | None = None
    error: InputError | None = None


class _InputBatch(NamedTuple):
    """What is read of several faces: images (B, V, R, R, 3) uint8."""

    indices: npt.NDArray[np.int64]
    images: Tensor
    landmarks: Tensor | None
    broken: tuple[int, ...]
    error: InputError | None


class _Inputs(Dataset[_Input]):
    """Network inputs by position, still uint8; a broken sample gives no image."""

    def __init__(self, faces: Faces, config: DetectorConfig, suite: Suite | None) -> None:
        self.faces, self.config, self.suite = faces, config, suite

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> _Input:
        try:
            sample, views = self._read(index)
        except BrokenSampleError:
            return _Input(index)
        except InputError as error:  # on its way out of a worker process it would lose its sentence
            return _Input(index, error=error)
        size = self.config.resolution
        images = torch.from_numpy(np.stack([to_network_size(view, size) for view in views]))
        if sample.landmark is None:
            return _Input(index, images)
        height, width = sample.image.shape[:2]
        return _Input(index, images, torch.from_numpy(to_network_landmark(sample.landmark, height, width, size)))

    def _read(self, index: int) -> tuple[Sample, list[Image]]:
        if self.suite is not None:
            return read_views(cast(FaceSet, self.faces), index, self.suite, self._cut)
        sample = self._cut(self.faces.read(index))
        return sample, [sample.image]

    def _cut(self, sample: Sample) -> Sample:
        return sample if sample.box is None else tight_crop(sample, [self.config.margins.test] * 4)


def _collate(items: list[_Input]) -> _InputBatch:
    good = [(item.position, item.images) for item in items if item.images is not None]
    landmarks = [item.landmark for item in items if item.landmark is not None]
    return _InputBatch(
        np.array([index for index, _ in good], np.int64),
        torch.stack([images for _, images in good]) if good else torch.empty(0, 1, 0, 0, 3, dtype=torch.uint8),
        torch.stack(landmarks) if landmarks else None,
        tuple(item.position for item in items if item.images is None),
        next((item.error for item in items if item.error), None),
    )
