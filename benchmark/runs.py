"""The three steps behind the command line: preprocess a data set, train a detector, evaluate weights."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console

from benchmark.leaderboard import calibration_table, manipulation_table, scores_path, summary_table, thresholds_beside
from benchmark.progress import progress
from config.files import write_text
from config.load import config_names, load_config, to_yaml
from config.schema import DatasetConfig, DetectorConfig, Profile
from evaluation.measurement import Measurement, measure
from evaluation.metrics import Metrics, binary_metrics
from evaluation.render import to_rich
from evaluation.scores import Environment, ScoreRecord, environment, git_commit, read_scores
from preprocessing.landmarks import find_predictor
from preprocessing.manifest import coverage, manifest_sha256
from preprocessing.pipeline import manifest_path, preprocess
from preprocessing.samples import load_rows, open_faces, predictor_name
from preprocessing.shards import Shard, merge_shards
from preprocessing.workers import cores

if TYPE_CHECKING:
    from config.processes import Group
    from detectors.base import AbstractDetector
    from training.trainer import FitResult

PROTOCOL, PROTOCOL_VERSION = "corrected", 1
CONFIG = "config.yaml"
RECORD = "record.json"
METRICS = "metrics.json"


def preprocess_dataset(
    dataset: str,
    root: Path,
    data: Path,
    *,
    profile: str,
    frames: int | None,
    stride: int | None,
    compression: str | None,
    landmarks: Path | None,
    mode: str | None = None,
    workers: int | None = None,
    engine: str = "local",
    shard: str | None = None,
    console: Console,
) -> pd.DataFrame:
    """`assay preprocess`: crop a data set and say what became of its frames.

    Returns:
        The manifest's rows.
    """
    wanted = {"num_frames": frames, "stride": stride, "mode": mode}
    changes = [f"{key}={value}" for key, value in wanted.items() if value is not None]
    share = Shard.parse(shard) if shard else None
    config, crops = load_config(DatasetConfig, dataset), load_config(Profile, profile, changes)
    predictor = find_predictor(landmarks or (Path(crops.landmarks) if crops.landmarks else None))
    with progress(f"preprocess {config.name}", console) as report:
        rows = preprocess(
            config,
            root,
            data,
            crops,
            predictor,
            workers=cores() if workers is None else workers,
            engine=engine,
            shard=share,
            compression=compression,
            on_progress=report,
        )
    whole = manifest_path(data, crops.name, config.name)
    _say_coverage(rows, config.name, predictor.name, share.manifest(whole) if share else whole, console)
    return rows


def merge_dataset(dataset: str, data: Path, *, profile: str, console: Console) -> pd.DataFrame:
    """`assay merge`: join the shards of a data set and say what became of its frames.

    Returns:
        The manifest's rows.
    """
    path = manifest_path(data, profile, dataset)
    rows = merge_shards(path)
    _say_coverage(rows, dataset, predictor_name(data, dataset, profile), path, console)
    return rows


def _say_coverage(rows: pd.DataFrame, dataset: str, predictor: str, path: Path, console: Console) -> None:
    counts = coverage(rows)
    console.print(
        f"{dataset}: {counts.faces} faces in {counts.frames} frames of {counts.videos} videos "
        f"({counts.videos_without_face} without a face), landmarks by {predictor}",
        highlight=False,
    )
    for reason, count in counts.skips.items():
        console.print(f"  skipped {count}: {reason}", highlight=False)
    console.print(f"  -> {path}", highlight=False)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """How a training run came about, beside its configuration: record.json of the run folder.

    Attributes:
        detector: registered name.
        initialisation: what the weights started from: an ImageNet file and its hash, or "random".
        train_sha256: hash of the manifest rows that were trained on; val_sha256 of those selected on.
        selection: in words, how the epoch was selected; best_epoch counts from 0.
        best_value: the selecting metric there, or None.
        steps: optimiser steps in all.
        device: where it ran; processes: how many trained together.
        wall_seconds: of this call; a resumed run has only its last part.
        environment: software and hardware.
        git_commit: of this project.
    """

    detector: str
    initialisation: str
    train_sha256: str
    val_sha256: str
    selection: str
    best_epoch: int
    best_value: float | None
    steps: int
    device: str
    processes: int
    wall_seconds: float
    environment: Environment
    git_commit: str | None


def train_detector(
    name: str,
    data: Path,
    out: Path | None = None,
    *,
    train_sets: Sequence[str] | None = None,
    profile: str = "dfb",
    overrides: Sequence[str] = (),
    resume: bool = False,
    keep_epochs: bool = False,
    device: str = "auto",
    workers: int | None = None,
    console: Console,
    group: "Group | None" = None,
) -> "FitResult":
    """`assay train`: train a detector on the train split, choose the epoch on the val split of the same sets.

    Args:
        name: a detector, or a YAML file.
        data: folder of stores and manifests.
        out: the run folder; by default results/runs/NAME.
        train_sets: preprocessed data sets; by default those of the configuration.
        profile: preprocessing profile.
        overrides: assignments to the configuration.
        resume: go on with the run in `out`.
        keep_epochs: keep the weights of every epoch.
        device: where to train.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
        console: where progress is shown.
        group: the processes that train together (config.processes.join); None is this one alone.
    """
    from benchmark.loading import device_named, loaders
    from config.processes import ALONE
    from detectors import build_detector
    from evaluation.scoring import score_faces
    from training.trainer import fit

    group = group or ALONE
    config = load_config(DetectorConfig, name, overrides)
    readers = loaders(workers, config, group)
    config = config.model_copy(update={"train_dataset": list(train_sets or config.train_dataset), "workers": readers})
    detector = build_detector(config)
    train_faces, val_faces = (
        open_faces(
            data,
            config.train_dataset,
            split,
            profile=profile,
            frames=frames,
            compression=config.compression,
            with_landmark=config.with_landmark,
            with_mask=config.with_mask and split == "train",
        )
        for split, frames in (("train", config.frame_num.train), ("val", config.frame_num.test))
    )
    on = device_named(device, group)

    def validate(detector: "AbstractDetector") -> dict[str, float | None]:
        return asdict(binary_metrics(*score_faces(detector, val_faces, config, on, readers, group)))

    console.print(
        f"train {config.model_name} on {len(train_faces)} faces of {', '.join(config.train_dataset)}, "
        f"validate on {len(val_faces)}, {config.nEpochs} epochs on "
        + (f"{group.size} x {on.type}" if group.size > 1 else str(on)),
        highlight=False,
    )
    started = time.monotonic()
    folder = out or Path("results/runs") / config.model_name
    result = fit(
        detector,
        train_faces,
        config,
        folder,
        device=on,
        validate=validate,
        resume=resume,
        keep_epochs=keep_epochs,
        console=console,
        group=group,
    )
    if not group.leads:
        return result
    record = RunRecord(
        detector=config.model_name,
        initialisation=detector.backbone.initialisation,
        train_sha256=train_faces.sha256,
        val_sha256=val_faces.sha256,
        selection=result.selection,
        best_epoch=result.best_epoch,
        best_value=result.best_value,
        steps=result.steps,
        device=str(on),
        processes=group.size,
        wall_seconds=time.monotonic() - started,
        environment=environment(),
        git_commit=git_commit(),
    )
    write_text(folder / RECORD, json.dumps(asdict(record), indent=2) + "\n")
    return result


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One test set's result: where the scores are, and the metrics and intervals computed from them."""

    dataset: str
    scores: Path
    record: ScoreRecord
    measured: Measurement

    @property
    def metrics(self) -> Metrics:
        """The metrics without their intervals."""
        return self.measured.metrics


def evaluate_weights(
    weights: Path,
    test_sets: Sequence[str],
    data: Path,
    out: Path | None = None,
    *,
    split: str = "test",
    threshold_on: Sequence[str] = (),
    profile: str = "dfb",
    detector_name: str | None = None,
    overrides: Sequence[str] = (),
    precision: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    console: Console,
    group: "Group | None" = None,
) -> list[Evaluated]:
    """`assay evaluate`: score test sets and show their metrics.

    Args:
        weights: a run folder, or a weights file.
        test_sets: preprocessed data sets.
        data: folder of stores and manifests.
        out: a folder for each test set is made below it; by default below the run folder or beside the file.
        split: which split to score.
        threshold_on: data sets, usually those trained on, whose val splits are scored as well, first, to choose the
            thresholds of TPR and FPR on.
        profile: preprocessing profile.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to the detector's configuration, for example test_batchSize=64.
        precision: fp32, bf16, or auto, which chooses for each test set (evaluation.precision).
        device: where to run.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
        console: where progress and results are shown.
        group: the processes that score together (config.processes.join); None is this one alone.

    Returns:
        A result for each test set; in a process that does not lead none.
    """
    from benchmark.loading import load_detector, loaders
    from config.processes import ALONE
    from detectors.weights import weights_sha256
    from evaluation.precision import choose_precision
    from evaluation.scoring import score

    group = group or ALONE
    trained = load_detector(weights, detector_name, overrides, device, group)
    detector, config, path = trained.detector, trained.config, trained.weights
    tests = [(name, split) for name in test_sets]
    rows_of = {
        (name, part): load_rows(data, name, part, profile=profile, compression=config.compression)
        for name, part in [*((name, "val") for name in threshold_on), *tests]
    }
    results = []
    for (name, part), rows in rows_of.items():
        scores = scores_path(out or path.parent / "eval", name, part)
        started = time.monotonic()
        choice = choose_precision(precision, detector, rows, config, trained.device, group)
        with progress(f"evaluate {config.model_name} on {scores.parent.name}", console) as report:
            counts = score(
                detector,
                rows,
                scores,
                config,
                trained.device,
                precision=choice.precision,
                workers=loaders(workers, config, group),
                on_progress=report,
                group=group,
            )
        if not group.leads:
            continue
        record = ScoreRecord(
            detector=config.model_name,
            weights_sha256=weights_sha256(path),
            manifest_sha256=manifest_sha256(rows.drop(columns=["store_path"])),
            protocol=PROTOCOL,
            protocol_version=PROTOCOL_VERSION,
            seed=config.manualSeed,
            wall_seconds=time.monotonic() - started,
            n_videos=counts.videos,
            n_frames=counts.frames,
            n_faceless_frames=counts.faceless_frames,
            environment=environment(),
            git_commit=git_commit(),
            precision=choice.precision,
            skipped=counts.skipped,
            notes=(*_notes(data, name, profile), *filter(None, [choice.note])),
        )
        record.write(ScoreRecord.beside(scores))
        write_text(scores.with_name(CONFIG), to_yaml(config))
        is_test = (name, part) in tests
        measured = measure(read_scores(scores), thresholds_beside(scores, record, threshold_on if is_test else ()))
        measured.write(scores.with_name(METRICS))
        results += [Evaluated(name, scores, record, measured)] if is_test else []
    if not group.leads:
        return []
    notes = sorted({note for result in results for note in result.record.notes})
    measurements = [(result.dataset, result.measured) for result in results]
    console.print(to_rich(summary_table(measurements, notes)))
    console.print(to_rich(calibration_table(measurements)))
    for result in results:
        by_manipulation = manipulation_table(result.scores)
        if len(by_manipulation.rows) > 1:
            console.print(to_rich(by_manipulation))
    return results


def _notes(data: Path, dataset: str, profile: str) -> tuple[str, ...]:
    """What a reader must know beside a figure on this data set: substitutes above all."""
    notes = [f"landmarks: {predictor_name(data, dataset, profile)}"]
    if dataset in config_names(DatasetConfig):
        note = load_config(DatasetConfig, dataset).note
        notes += [f"{dataset}: {note}"] if note else []
    return tuple(notes)
