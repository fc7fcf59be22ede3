"""Running a detector over stored faces: P(fake) for each, streamed, in manifest order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation.scores import CLEAN, ScoreWriter
from preprocessing.operators import to_network_input, to_network_landmark
from preprocessing.samples import BrokenSampleError, FaceSet, spread
from preprocessing.workers import worker_context

BROKEN_VALUE = "broken value in store"
COPIED = ["dataset", "split", "compression", "video_id", "frame", "face", "label", "class_name", "method"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A scored batch: positions in the FaceSet with their P(fake), and positions whose pixels could not be read."""

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    broken: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of the rows that were to be scored: counts for the record.

    `faceless_frames` counts frames without a score: no face was found, or the frame or its stored value is unreadable;
    `skipped` says which, and counts clips that could not be opened too.
    """

    videos: int
    frames: int
    faceless_frames: int
    skipped: dict[str, int] = field(default_factory=dict)


def predict(
    detector: AbstractDetector, faces: FaceSet, config: DetectorConfig, device: torch.device, workers: int = 0
) -> Iterator[Batch]:
    """Score all faces in order, a batch at a time; nothing is kept.

    Args:
        detector: its mode (train or eval) is restored afterwards.
        faces: what to score.
        config: input size, normalisation and batch size.
        device: where the detector is.
        workers: processes that read and decode; 0 reads in this one.
    """
    loader = DataLoader(
        _Inputs(faces, config),
        batch_size=config.test_batchSize,
        num_workers=workers,
        multiprocessing_context=worker_context() if workers else None,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
    )
    was_training = detector.training
    detector.eval()
    try:
        for indices, images, landmarks, broken in loader:
            scores = np.empty(0)
            if len(indices):
                images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
                data = {"image": images, "label": torch.as_tensor(faces.labels[indices], device=device)}
                if landmarks is not None:
                    data["landmark"] = landmarks.to(device)
                with torch.inference_mode():
                    scores = detector(data, inference=True)["prob"].double().cpu().numpy()
            yield Batch(indices, scores, broken)
    finally:
        detector.train(was_training)


def score_faces(
    detector: AbstractDetector, faces: FaceSet, config: DetectorConfig, device: torch.device, workers: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Labels (N,) and scores (N,) of all faces that can be read; arguments as for `predict`."""
    batches = list(predict(detector, faces, config, device, workers))
    indices = np.concatenate([batch.indices for batch in batches])
    return faces.labels[indices], np.concatenate([batch.scores for batch in batches])


def score(
    detector: AbstractDetector,
    rows: pd.DataFrame,
    out: Path,
    config: DetectorConfig,
    device: torch.device,
    *,
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Write the score table of some manifest rows: a row for each face, and one without a score for each skip.

    Args:
        detector: the detector, weights loaded, on `device`.
        rows: manifest rows of one split with `store_path` (preprocessing.samples.load_rows).
        out: the Parquet file.
        config: as for `predict`; `frame_num.test` frames of each video are used.
        device: where to run.
        workers: reading processes.
        on_progress: called with (faces done, faces in all).
    """
    stored = spread(rows[rows["skip"] == ""], config.frame_num.test)
    skipped = rows[rows["skip"] != ""]
    counts = {str(reason): int(n) for reason, n in skipped["skip"].value_counts().items()}
    with ScoreWriter(out) as writer:
        writer.write(_table(skipped.assign(face=-1), None))
        if len(stored):
            faces = FaceSet(stored, with_landmark=config.with_landmark)
            done = 0
            for batch in predict(detector, faces, config, device, workers):
                writer.write(_table(faces.rows.iloc[batch.indices], batch.scores))
                if batch.broken:
                    writer.write(_table(faces.rows.iloc[list(batch.broken)].assign(face=-1), None))
                    counts[BROKEN_VALUE] = counts.get(BROKEN_VALUE, 0) + len(batch.broken)
                done += len(batch.indices) + len(batch.broken)
                if on_progress:
                    on_progress(done, len(faces))
    sampled = pd.concat([stored, skipped])
    sampled = sampled[sampled["frame"] >= 0]
    frames = sampled[["video_id", "frame"]].drop_duplicates()
    faceless = int((skipped["frame"] >= 0).sum()) + counts.get(BROKEN_VALUE, 0)
    return Scored(int(rows["video_id"].nunique()), len(frames), faceless, counts)


class _Inputs(Dataset[tuple[int, torch.Tensor | None, torch.Tensor | None]]):
    """Network inputs by position; a broken sample gives no image."""

    def __init__(self, faces: FaceSet, config: DetectorConfig) -> None:
        self.faces, self.config = faces, config

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor | None, torch.Tensor | None]:
        try:
            sample = self.faces.read(index)
        except BrokenSampleError:
            return index, None, None
        size = self.config.resolution
        image = torch.from_numpy(to_network_input(sample.image, size, self.config.mean, self.config.std))
        if sample.landmark is None:
            return index, image, None
        height, width = sample.image.shape[:2]
        return index, image, torch.from_numpy(to_network_landmark(sample.landmark, height, width, size))


def _collate(
    items: list[tuple[int, torch.Tensor | None, torch.Tensor | None]],
) -> tuple[npt.NDArray[np.int64], torch.Tensor | None, torch.Tensor | None, tuple[int, ...]]:
    good = [(index, image, landmark) for index, image, landmark in items if image is not None]
    images = torch.stack([image for _, image, _ in good]) if good else None
    landmarks = [landmark for _, _, landmark in good if landmark is not None]
    return (
        np.array([index for index, _, _ in good], np.int64),
        images,
        torch.stack(landmarks) if landmarks else None,
        tuple(index for index, image, _ in items if image is None),
    )


def _table(rows: pd.DataFrame, scores: npt.NDArray[np.float64] | None) -> pd.DataFrame:
    values = np.full(len(rows), np.nan) if scores is None else scores
    return rows[COPIED].assign(perturbation=CLEAN, level=0, draw=0, score=values)
