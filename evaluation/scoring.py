"""Running a detector over stored faces: P(fake) for each, in manifest order; one process or many, killed or not."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from config.errors import InputError
from config.perturbation import CLEAN
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation.parts import Parts, Scores, chunk_size, fingerprint
from evaluation.scores import ScoreWriter, environment, git_commit
from preprocessing.margins import tight_crop
from preprocessing.operators import to_network_input, to_network_landmark
from preprocessing.samples import BrokenSampleError, Faces, FaceSet, spread
from preprocessing.workers import settle, worker_context

ROWS_AT_ONCE = 65_536
BROKEN_VALUE = "broken value in store"
COPIED = ["dataset", "split", "compression", "video_id", "frame", "face", "label", "class_name", "method"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A scored batch: positions of its faces with their P(fake), and positions whose pixels could not be read."""

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
    detector: AbstractDetector,
    faces: Faces,
    config: DetectorConfig,
    device: torch.device,
    workers: int = 0,
    *,
    batches: Sequence[range] | None = None,
    precision: str = "fp32",
) -> Generator[Batch, None, None]:
    """Score faces a batch at a time; nothing is kept.

    Args:
        detector: its mode (train or eval) is restored afterwards.
        faces: what to score.
        config: input size, normalisation and batch size.
        device: where the detector is.
        workers: processes that read and decode; 0 reads in this one.
        batches: the positions of each batch; by default all faces in order.
        precision: "fp32", exact on a GPU too, without TF32, or "bf16", by autocast.
    """
    if batches is None:
        batches = batches_of(range(len(faces)), config)
    loader = DataLoader(
        _Inputs(faces, config),
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
        for indices, images, landmarks, broken in loader:
            scores = np.empty(0)
            if len(indices):
                images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
                data = {"image": images, "label": torch.as_tensor(faces.labels[indices], device=device)}
                if landmarks is not None:
                    data["landmark"] = landmarks.to(device)
                with inference(device, precision):
                    scores = detector(data, inference=True)["prob"].double().cpu().numpy()
            yield Batch(indices, scores, broken)
    finally:
        detector.train(was_training)


def batches_of(positions: range, config: DetectorConfig) -> list[range]:
    """Consecutive positions in batches of `test_batchSize`; the last may be shorter."""
    return [
        positions[start : start + config.test_batchSize] for start in range(0, len(positions), config.test_batchSize)
    ]


def score_faces(
    detector: AbstractDetector,
    faces: Faces,
    config: DetectorConfig,
    device: torch.device,
    workers: int = 0,
    group: Group = ALONE,
) -> tuple[npt.NDArray[np.int64], Scores]:
    """Labels (N,) and scores (N,) of all faces that can be read, in order; arguments as for `predict`.

    The processes of `group` share the batches, and all get all scores.
    """
    batches = batches_of(range(len(faces)), config)[group.rank :: group.size]
    own = [
        (batch.indices, batch.scores) for batch in predict(detector, faces, config, device, workers, batches=batches)
    ]
    scores, readable = np.empty(len(faces)), np.zeros(len(faces), bool)
    for indices, values in chain.from_iterable(group.gather(own)):
        scores[indices], readable[indices] = values, True
    return faces.labels[readable], scores[readable]


def faces_to_score(rows: pd.DataFrame, config: DetectorConfig) -> pd.DataFrame:
    """Those of some manifest rows that hold a face, `frame_num.test` frames of each video."""
    return spread(rows[rows["skip"] == ""], config.frame_num.test)


def score(
    detector: AbstractDetector,
    rows: pd.DataFrame,
    out: Path,
    config: DetectorConfig,
    device: torch.device,
    *,
    precision: str = "fp32",
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
    group: Group = ALONE,
) -> Scored:
    """Write the score table of some manifest rows: a row for each face, and one without a score for each skip.

    Finished chunks are kept beside `out` until the table is complete. Called again after a kill, this goes on with
    them, and ends with the same table; they are not used if weights, rows, configuration, precision, device or
    software are others. Several processes share the chunks, whose batches are the same as those of one; a killed
    evaluation may be gone on with by another number of processes, provided that all see the folder.

    Args:
        detector: the detector, weights loaded, on `device`.
        rows: manifest rows of one split with `store_path` (preprocessing.samples.load_rows).
        out: the Parquet file; the leading process writes it.
        config: as for `predict`; `frame_num.test` frames of each video are used.
        device: where to run.
        precision: as for `predict`.
        workers: reading processes.
        on_progress: called with (faces done, faces in all); with several processes it counts the others' as its own.
        group: the processes that score together.

    Returns:
        The counts, the same in all processes.
    """
    stored, skipped = faces_to_score(rows, config), rows[rows["skip"] != ""]
    counts = {str(reason): int(n) for reason, n in skipped["skip"].value_counts().items()}
    faces = FaceSet(stored, with_landmark=config.with_landmark)
    parts = Parts(out, group.follow(fingerprint(detector, _what_decides(detector, faces, config, device, precision))))
    predict_some = partial(predict, detector, faces, config, device, workers, precision=precision)
    scores = _score_chunks(predict_some, _chunks(len(faces), config), faces, parts, on_progress, group)
    if group.leads:
        with ScoreWriter(out) as writer:
            writer.write(_table(skipped, np.full(len(skipped), np.nan)))
            for start in range(0, len(faces), ROWS_AT_ONCE):
                writer.write(_table(faces.rows[start : start + ROWS_AT_ONCE], scores[start : start + ROWS_AT_ONCE]))
        parts.remove()
    broken = int(np.isnan(scores).sum())
    if broken:
        counts[BROKEN_VALUE] = broken
    sampled = pd.concat([part[["video_id", "frame"]] for part in (stored, skipped)])
    frames = sampled[sampled["frame"] >= 0].drop_duplicates()
    with_score = stored.loc[~np.isnan(scores), ["video_id", "frame"]].drop_duplicates()
    return Scored(int(rows["video_id"].nunique()), len(frames), len(frames) - len(with_score), counts)


def _chunks(faces: int, config: DetectorConfig) -> list[list[range]]:
    """All positions in batches, and these in the chunks that are finished as a whole."""
    size = chunk_size(faces, config.test_batchSize) if faces else 1
    return [batches_of(range(faces)[start : start + size], config) for start in range(0, faces, size)]


def _score_chunks(
    predict_some: Callable[..., Generator[Batch, None, None]],
    chunks: list[list[range]],
    faces: FaceSet,
    parts: Parts,
    on_progress: Callable[[int, int], None] | None,
    group: Group,
) -> Scores:
    """Scores of all faces (N,), NaN where one is broken: of finished chunks read, of the others computed and kept."""
    spans = [slice(chunk[0].start, chunk[-1].stop) for chunk in chunks]
    scores, done = np.full(len(faces), np.nan), 0
    finished = group.follow(parts.resume([span.stop - span.start for span in spans]) if group.leads else {})
    for number, values in finished.items():
        scores[spans[number]] = values
        done += len(values)
    own = [number for number in range(len(chunks)) if number not in finished][group.rank :: group.size]
    with closing(predict_some(batches=[batch for number in own for batch in chunks[number]])) as scored:
        for number in own:
            for batch in islice(scored, len(chunks[number])):
                _check(batch, faces)
                scores[batch.indices] = batch.scores
                done += group.size * (len(batch.indices) + len(batch.broken))
                if on_progress:
                    on_progress(min(done, len(faces)), len(faces))
            parts.write(number, scores[spans[number]])
    for others in group.gather([(number, scores[spans[number]]) for number in own]):
        for number, values in others:
            scores[spans[number]] = values
    return scores


def _what_decides(
    detector: AbstractDetector, faces: FaceSet, config: DetectorConfig, device: torch.device, precision: str
) -> dict[str, Any]:
    """What decides the scores beside the network's weights; how many processes compute them does not."""
    return {
        "faces": faces.sha256,
        "config": config.model_dump(mode="json", exclude={"workers"}),
        "version": getattr(detector, "version", None),
        "device": device.type,
        "precision": precision,
        "packages": environment().packages,
        "commit": git_commit(),
    }


def _check(batch: Batch, faces: FaceSet) -> None:
    wrong = ~((batch.scores >= 0) & (batch.scores <= 1))
    if wrong.any():
        row = faces.rows.iloc[batch.indices[wrong][0]]
        raise InputError(
            f"frame {row['frame']} of video '{row['video_id']}' cannot be scored: P(fake) is {batch.scores[wrong][0]}, "
            "expected a number in [0, 1]"
        )


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


class _Inputs(Dataset[tuple[int, torch.Tensor | None, torch.Tensor | None]]):
    """Network inputs by position; a broken sample gives no image."""

    def __init__(self, faces: Faces, config: DetectorConfig) -> None:
        self.faces, self.config = faces, config

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor | None, torch.Tensor | None]:
        try:
            sample = self.faces.read(index)
        except BrokenSampleError:
            return index, None, None
        if sample.box is not None:
            sample = tight_crop(sample, [self.config.margins.test] * 4)
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


def _table(rows: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Rows of the score table; one without a score has no face."""
    face = np.where(np.isnan(scores), -1, rows["face"])
    return rows[COPIED].assign(face=face, perturbation=CLEAN, level=0, draw=0, score=scores)
