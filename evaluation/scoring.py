"""From faces to score tables: P(fake) for each, in manifest order; one process or many, killed or not."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from config.errors import InputError
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation.features import FeatureArray, FeatureWriter
from evaluation.parts import Parts, Scores, chunk_size, fingerprint
from evaluation.prediction import Batch, batches_of, predict
from evaluation.scores import ScoreWriter, environment, git_commit
from preprocessing.rows import spread
from preprocessing.samples import Faces, FaceSet
from preprocessing.store import DECISIVE, FaceStore
from preprocessing.views import UNPERTURBED, Suite, Variant, stored_views

ROWS_AT_ONCE = 65_536
BROKEN_VALUE = "broken value in store"
COPIED = ["dataset", "split", "compression", "video_id", "frame", "face", "label", "class_name", "method"]


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
        (batch.indices, batch.scores[:, 0])
        for batch in predict(detector, faces, config, device, workers, batches=batches)
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
    suite: Suite | None = None,
    features: Path | None = None,
    precision: str = "fp32",
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
    group: Group = ALONE,
) -> Scored:
    """Write the score table of some manifest rows: a row for each face, and one without a score for each skip.

    With a suite there is such a row for each of its views, the clean one first; the views of a face stand together.

    Finished chunks are kept beside `out` until the table is complete. Called again after a kill, this goes on with
    them, and ends with the same table; they are not used if weights, rows, configuration, suite, precision, device or
    software are others. Several processes share the chunks, whose batches are the same as those of one; a killed
    evaluation may be gone on with by another number of processes, provided that all see the folder. With features all
    must see it in any case.

    Args:
        detector: the detector, weights loaded, on `device`.
        rows: manifest rows of one split with `store_path` (preprocessing.rows.load_rows).
        out: the Parquet file; the leading process writes it.
        config: as for `predict`; `frame_num.test` frames of each video are used.
        device: where to run.
        suite: perturb the faces; by default they are scored as they are.
        features: the feature file to write as well, a row for each score (evaluation.features).
        precision: as for `predict`.
        workers: reading processes.
        on_progress: called with (faces done, faces in all); with several processes it counts the others' as its own.
        group: the processes that score together.

    Returns:
        The counts, the same in all processes.
    """
    stored, skipped = faces_to_score(rows, config), rows[rows["skip"] != ""]
    faces = FaceSet(stored, with_landmark=config.with_landmark)
    about = _what_decides(detector, faces, config, device, precision, suite) | {"features": features is not None}
    parts = Parts(out, group.follow(fingerprint(detector, about)), features is not None)
    predict_some = partial(
        predict,
        detector,
        faces,
        config,
        device,
        workers,
        precision=precision,
        suite=suite,
        with_features=features is not None,
    )
    chunks = _chunks(len(faces), config, suite)
    variants = suite.variants if suite else (UNPERTURBED,)
    scores = _score_chunks(
        predict_some, chunks, np.full((len(faces), len(variants)), np.nan), faces, parts, on_progress, group
    )
    if group.leads:
        if features is not None:
            _write_features(features, faces.rows, chunks, scores, variants, parts)
        with ScoreWriter(out) as writer:
            for table in chain(
                _tables(skipped, np.full((len(skipped), len(variants)), np.nan), variants),
                _tables(faces.rows, scores, variants),
            ):
                writer.write(table)
        parts.remove()
    return _counts(rows, stored, ~np.isnan(scores[:, 0]))


def _counts(rows: pd.DataFrame, stored: pd.DataFrame, is_scored: npt.NDArray[np.bool_]) -> Scored:
    skipped = rows[rows["skip"] != ""]
    counts = {str(reason): int(n) for reason, n in skipped["skip"].value_counts().items()}
    if broken := int((~is_scored).sum()):
        counts[BROKEN_VALUE] = broken
    sampled = pd.concat([part[["video_id", "frame"]] for part in (stored, skipped)])
    frames = sampled[sampled["frame"] >= 0].drop_duplicates()
    with_score = stored.loc[is_scored, ["video_id", "frame"]].drop_duplicates()
    return Scored(int(rows["video_id"].nunique()), len(frames), len(frames) - len(with_score), counts)


def _chunks(faces: int, config: DetectorConfig, suite: Suite | None) -> list[list[range]]:
    """All positions in batches, and these in the chunks that are finished as a whole."""
    if not faces:
        return []
    batches = batches_of(range(faces), config, suite)
    views = len(suite.variants) if suite else 1
    count = chunk_size(faces, len(batches[0]), views) // len(batches[0])
    return [batches[start : start + count] for start in range(0, len(batches), count)]


def _score_chunks(
    predict_some: Callable[..., Generator[Batch, None, None]],
    chunks: list[list[range]],
    scores: Scores,
    faces: FaceSet,
    parts: Parts,
    on_progress: Callable[[int, int], None] | None,
    group: Group,
) -> Scores:
    """Fills scores (N, V), NaN where a face is broken: of finished chunks read, of the others computed and kept."""
    spans, done = _spans(chunks), 0
    finished = group.follow(parts.resume([scores[span].shape for span in spans]) if group.leads else {})
    for number, values in finished.items():
        scores[spans[number]] = values
        done += len(values)
    own = [number for number in range(len(chunks)) if number not in finished][group.rank :: group.size]
    with closing(predict_some(batches=[batch for number in own for batch in chunks[number]])) as scored:
        for number in own:
            features: list[FeatureArray] = []
            for batch in islice(scored, len(chunks[number])):
                _check(batch, faces)
                scores[batch.indices] = batch.scores
                features += [] if batch.features is None else [batch.features.reshape(-1, batch.features.shape[-1])]
                done += group.size * (len(batch.indices) + len(batch.broken))
                if on_progress:
                    on_progress(min(done, len(faces)), len(faces))
            parts.write(number, scores[spans[number]], features)
    for others in group.gather([(number, scores[spans[number]]) for number in own]):
        for number, values in others:
            scores[spans[number]] = values
    return scores


def _spans(chunks: list[list[range]]) -> list[slice]:
    """The positions that each chunk goes over."""
    return [slice(chunk[0].start, chunk[-1].stop) for chunk in chunks]


def _what_decides(
    detector: AbstractDetector,
    faces: FaceSet,
    config: DetectorConfig,
    device: torch.device,
    precision: str,
    suite: Suite | None,
) -> dict[str, Any]:
    """What decides the scores beside the network's weights; how many processes compute them does not."""
    views = stored_views(faces, suite) if suite else None
    metas = [FaceStore(Path(path)).meta() for path in faces.rows["store_path"].unique()]
    return {
        "faces": faces.sha256,
        "made_by": [{entry: meta.get(entry) for entry in DECISIVE} for meta in metas],
        "config": config.model_dump(mode="json", exclude={"workers"}),
        "suite": suite.sha256 if suite else None,
        "stored_views": asdict(views) if views else None,
        "version": getattr(detector, "version", None),
        "device": device.type,
        "precision": precision,
        "packages": environment().packages,
        "commit": git_commit(),
    }


def _check(batch: Batch, faces: FaceSet) -> None:
    wrong = ~((batch.scores >= 0) & (batch.scores <= 1))
    if wrong.any():
        face, view = np.argwhere(wrong)[0]
        row = faces.rows.iloc[batch.indices[face]]
        raise InputError(
            f"frame {row['frame']} of video '{row['video_id']}' cannot be scored: "
            f"P(fake) is {batch.scores[face, view]}, expected a number in [0, 1]"
        )


def _tables(rows: pd.DataFrame, scores: Scores, variants: Sequence[Variant]) -> Iterator[pd.DataFrame]:
    """Rows of the score table, some at a time; a row without a score has no face."""
    faces = max(1, ROWS_AT_ONCE // len(variants))
    for start in range(0, len(rows), faces):
        yield _table(rows[start : start + faces], scores[start : start + faces], variants)


def _table(rows: pd.DataFrame, scores: Scores, variants: Sequence[Variant]) -> pd.DataFrame:
    """A row for each view of each face, scores (N, V)."""
    repeated = rows.iloc[np.repeat(np.arange(len(rows)), len(variants))]
    perturbation, level, draw = (np.tile(column, len(rows)) for column in zip(*variants, strict=True))
    face = np.where(np.isnan(scores.ravel()), -1, repeated["face"])
    return repeated[COPIED].assign(face=face, perturbation=perturbation, level=level, draw=draw, score=scores.ravel())


def _write_features(
    path: Path,
    rows: pd.DataFrame,
    chunks: list[list[range]],
    scores: Scores,
    variants: Sequence[Variant],
    parts: Parts,
) -> None:
    """Write the feature file from the chunks, one at a time; in the order of the score table's faces."""
    numbers = range(len(chunks))
    dimension = next((made.shape[1] for number in numbers if len(made := parts.features(number))), 1)
    with FeatureWriter(path, dimension) as writer:
        for number, span in enumerate(_spans(chunks)):
            readable = ~np.isnan(scores[span, 0])
            if readable.any():
                table = _table(rows[span][readable], scores[span][readable], variants)
                writer.write(table, parts.features(number))
