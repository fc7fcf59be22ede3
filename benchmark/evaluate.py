"""`assay evaluate`: a detector's scores on test sets, their records, and the metrics that follow from them."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from benchmark.leaderboard import calibration_table, manipulation_table, summary_table, thresholds_beside
from benchmark.loading import Trained, load_detector, loaders
from benchmark.places import CONFIG, METRICS, scores_path
from benchmark.progress import progress
from config.errors import InputError
from config.files import atomic_path, write_text
from config.load import config_names, load_config, to_yaml
from config.processes import ALONE, Group
from config.schema import DatasetConfig, DetectorConfig
from detectors.weights import load_weights, weights_sha256
from evaluation.measurement import Measurement, measure
from evaluation.metrics import Metrics, binary_metrics, group_scores
from evaluation.precision import choose_precision
from evaluation.protocol import CORRECTED, OURS, VERSION, Protocol
from evaluation.render import to_rich
from evaluation.scores import ScoreRecord, environment, git_commit, read_scores
from evaluation.scoring import Scored, score
from preprocessing.manifest import manifest_meta, manifest_sha256
from preprocessing.parts import find_source
from preprocessing.samples import load_rows, spread
from training.checkpoint import RunFolder
from training.trainer import Selection


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
    protocol: Protocol = OURS,
    detector_name: str | None = None,
    overrides: Sequence[str] = (),
    precision: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    console: Console,
    group: Group = ALONE,
) -> list[Evaluated]:
    """Score test sets and show their metrics.

    Args:
        weights: a run folder, or a weights file.
        test_sets: preprocessed data sets.
        data: folder of stores and manifests.
        out: a folder for each test set is made below it; by default below the run folder or beside the file.
        split: which split to score.
        threshold_on: data sets, usually those trained on, whose val splits are scored as well, first, to choose the
            thresholds of TPR and FPR on.
        profile: preprocessing profile.
        protocol: with which of DeepfakeBench's quirks.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to the detector's configuration, for example test_batchSize=64.
        precision: fp32, bf16, or auto, which chooses one for all sets (evaluation.precision).
        device: where to run.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
        console: where progress and results are shown.
        group: the processes that score together (config.processes.join).

    Returns:
        A result for each test set; in a process that does not lead none.

    Raises:
        InputError: something is missing or does not fit, or the protocol needs weights of all epochs and they were not
            kept.
    """
    if protocol.selected_on_test and threshold_on:
        raise InputError("--threshold-on needs one epoch for val and test; with selected_on_test each set has its own")
    trained = load_detector(weights, detector_name, overrides, device, group)
    sets = [TestSet(name, "val", is_source=True) for name in threshold_on] + [
        TestSet(name, split) for name in test_sets
    ]
    rows_of = {test: _rows(data, test, profile, protocol, trained.config) for test in sets}
    choice = choose_precision(
        precision, trained.detector, pd.concat(rows_of.values()), trained.config, trained.device, group
    )
    scoring = Scoring(trained, choice.precision, loaders(workers, trained.config, group), console, group)
    folder = out or trained.weights.parent / ("eval" if protocol.name == CORRECTED else f"eval_{protocol.name}")
    results = []
    for test, rows in rows_of.items():
        scores, started = scores_path(folder, test.dataset, test.split), time.monotonic()
        if protocol.selected_on_test:
            chosen = scoring.of_best_epoch(RunFolder(weights).epochs(), rows, scores, protocol)
        else:
            chosen = Chosen(trained.weights, scoring.of(rows, scores, test.name))
        if not group.leads:
            continue
        made_by = manifest_meta(find_source(data, test.dataset, profile).manifest)
        record = ScoreRecord(
            detector=trained.config.model_name,
            weights_sha256=weights_sha256(chosen.weights),
            manifest_sha256=manifest_sha256(rows.drop(columns=["store_path"])),
            protocol=protocol.name,
            protocol_version=VERSION,
            seed=trained.config.manualSeed,
            wall_seconds=time.monotonic() - started,
            n_videos=chosen.counts.videos,
            n_frames=chosen.counts.frames,
            n_faceless_frames=chosen.counts.faceless_frames,
            environment=environment(),
            git_commit=git_commit(),
            precision=choice.precision,
            skipped=chosen.counts.skipped,
            faceless_score=made_by.get("faceless_score"),
            notes=(*_notes(made_by, test.dataset, trained), *filter(None, [choice.note, chosen.note])),
        )
        record.write(ScoreRecord.beside(scores))
        write_text(scores.with_name(CONFIG), to_yaml(trained.config))
        thresholds = thresholds_beside(scores, record, () if test.is_source else threshold_on)
        measured = measure(protocol.view(record.with_rule(read_scores(scores))), thresholds)
        measured.write(scores.with_name(METRICS))
        results += [] if test.is_source else [Evaluated(test.dataset, scores, record, measured)]
    if group.leads:
        _show(results, console)
    return results


@dataclass(frozen=True, slots=True)
class TestSet:
    """A split of a data set that is scored; `is_source` if only to choose thresholds on."""

    dataset: str
    split: str
    is_source: bool = False

    @property
    def name(self) -> str:
        """As in words: "Celeb-DF-v2", "FaceForensics++ val"."""
        return self.dataset if self.split == "test" else f"{self.dataset} {self.split}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The weights whose scores are a test set's, the counts, and what a reader must know of the choice."""

    weights: Path
    counts: Scored
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How scores are made, whatever the test set."""

    trained: Trained
    precision: str
    workers: int
    console: Console
    group: Group

    def of(self, rows: pd.DataFrame, out: Path, name: str) -> Scored:
        """Score some rows into the table `out`; `name` is what the progress bar calls them."""
        with progress(f"evaluate {self.trained.config.model_name} on {name}", self.console) as report:
            return score(
                self.trained.detector,
                rows,
                out,
                self.trained.config,
                self.trained.device,
                precision=self.precision,
                workers=self.workers,
                on_progress=report,
                group=self.group,
            )

    def of_best_epoch(
        self, epochs: Sequence[tuple[int, Path]], rows: pd.DataFrame, out: Path, protocol: Protocol
    ) -> Chosen:
        """Score some rows with the weights of each epoch and keep the best, as DeepfakeBench does on its test sets.

        The tables of all epochs stay beside `out`.

        Raises:
            InputError: no weights of epochs were kept.
        """
        if not epochs:
            raise InputError("selected_on_test needs the weights of every epoch: train with --keep-epochs")
        metric, best = self.trained.config.metric_scoring, Selection(self.trained.config.metric_scoring)
        chosen: Chosen | None = None
        for epoch, weights in epochs:
            table = out.with_name(f"epoch_{epoch + 1:03}.parquet")
            load_weights(self.trained.detector, weights)
            counts = self.of(rows, table, f"{out.parent.name}, epoch {epoch + 1}")
            if not self.group.leads:
                continue
            frames = group_scores(protocol.view(read_scores(table)))
            value = getattr(binary_metrics(frames.frame_labels, frames.frame_scores), metric)
            if best.offer(epoch, value) or chosen is None:
                note = f"epoch {epoch + 1} of {len(epochs)}, chosen by its frame {metric} on this test set itself"
                chosen = Chosen(weights, counts, note)
                with atomic_path(out) as scratch:
                    shutil.copyfile(table, scratch)
        return chosen or Chosen(weights, counts)


def _rows(data: Path, test: TestSet, profile: str, protocol: Protocol, config: DetectorConfig) -> pd.DataFrame:
    """The manifest rows of a test set that the protocol scores."""
    rows = load_rows(data, test.dataset, test.split, profile=profile, compression=config.compression)
    if not protocol.first_frames:
        return rows
    stored = rows["skip"] == ""
    return pd.concat([spread(rows[stored], config.frame_num.test, first=True), rows[~stored]], ignore_index=True)


def _show(results: Sequence[Evaluated], console: Console) -> None:
    notes = sorted({note for result in results for note in result.record.notes})
    measurements = [(result.dataset, result.measured) for result in results]
    console.print(to_rich(summary_table(measurements, notes)))
    console.print(to_rich(calibration_table(measurements)))
    for result in results:
        by_manipulation = manipulation_table(result.scores)
        if len(by_manipulation.rows) > 1:
            console.print(to_rich(by_manipulation))


def _notes(made_by: Mapping[str, Any], dataset: str, trained: Trained) -> tuple[str, ...]:
    """What a reader must know beside a figure on this data set: substitutes above all."""
    notes = [f"landmarks: {made_by.get('predictor', 'unknown')}", *trained.notes]
    if (encoder := str(made_by.get("encoder"))).startswith("jpeg"):
        notes.append(f"crops: {encoder.partition(',')[0]}, a compression on top of the data set's own")
    if made_by.get("profile", {}).get("crop") == "loose":
        boxes = made_by.get("detector", "dlib")
        margin = trained.config.margins.test
        notes.append(f"boxes: {boxes}, with a margin of {margin:.1%} of their side; all faces of a frame")
    if dataset in config_names(DatasetConfig):
        note = load_config(DatasetConfig, dataset).note
        notes += [f"{dataset}: {note}"] if note else []
    return tuple(notes)
