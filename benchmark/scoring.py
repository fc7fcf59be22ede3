"""Detectors on test sets: what every evaluation loads, scores and records, perturbed or not."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from benchmark.loading import Trained, load_detector, loaders
from benchmark.places import CONFIG, features_path
from benchmark.progress import progress
from config.files import write_text
from config.load import config_names, load_config, to_yaml
from config.processes import ALONE, Group
from config.schema import DatasetConfig, DetectorConfig
from detectors.weights import weights_sha256
from evaluation.precision import Choice, choose_precision
from evaluation.protocol import CORRECTED, OURS, VERSION, Protocol
from evaluation.scores import ScoreRecord, SuiteRecord, environment, git_commit
from evaluation.scoring import Scored, faces_to_score, score
from preprocessing.manifest import manifest_meta, manifest_sha256
from preprocessing.parts import find_source
from preprocessing.rows import load_rows, spread
from preprocessing.samples import FaceSet
from preprocessing.views import StoredViews, Suite, stored_views


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
class ScoringOptions:
    """How test sets are scored, clean or perturbed.

    Attributes:
        data: folder of stores and manifests.
        console: where progress and results are shown.
        out: a folder for each test set is made below it; by default below the run folder or beside the weights file.
        profile: preprocessing profile.
        protocol: with which of DeepfakeBench's quirks.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to the detector's configuration, for example test_batchSize=64.
        precision: fp32, bf16, or auto, which chooses one for all sets (evaluation.precision).
        device: where to run.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
        features: whether the network's features are written beside each score table (evaluation.features).
        show: whether the results are shown.
        group: the processes that score together (config.processes.join).
    """

    data: Path
    console: Console
    out: Path | None = None
    profile: str = "dfb"
    protocol: Protocol = OURS
    detector_name: str | None = None
    overrides: Sequence[str] = ()
    precision: str = "auto"
    device: str = "auto"
    workers: int | None = None
    features: bool = False
    show: bool = True
    group: Group = ALONE


@dataclass(frozen=True, slots=True)
class Scoring:
    """A detector that is ready, the rows that it is to score, and how.

    Attributes:
        trained: the detector.
        rows: of each test set, those that the protocol scores.
        choice: the precision, one for all sets.
        folder: below which a folder for each test set is made.
        workers: reading processes.
        options: all else that was asked for.
    """

    trained: Trained
    rows: Mapping[TestSet, pd.DataFrame]
    choice: Choice
    folder: Path
    workers: int
    options: ScoringOptions

    @classmethod
    def prepare(
        cls, weights: Path, tests: Sequence[TestSet], suites: Sequence[Suite], options: ScoringOptions
    ) -> "Scoring":
        """Load the detector and the rows, and see that crops of perturbed frames are there if a suite needs them.

        Args:
            weights: a run folder, or a weights file.
            tests: what is to be scored.
            suites: what it will be perturbed with.
            options: how.

        Raises:
            InputError: something is missing or does not fit, or as for `stored_views`.
        """
        group, protocol = options.group, options.protocol
        trained = load_detector(weights, options.detector_name, options.overrides, options.device, group)
        rows = {
            test: rows_to_score(options.data, test.dataset, test.split, options.profile, protocol, trained.config)
            for test in tests
        }
        for test, suite in product((test for test in tests if not test.is_source), suites):
            views_to_score(rows[test], trained.config, suite)
        together = pd.concat(rows.values())
        choice = choose_precision(options.precision, trained.detector, together, trained.config, trained.device, group)
        beside = "eval" if protocol.name == CORRECTED else f"eval_{protocol.name}"
        folder = options.out or trained.weights.parent / beside
        return cls(trained, rows, choice, folder, loaders(options.workers, trained.config, group), options)

    def write(self, test: TestSet, out: Path, name: str = "", *, suite: Suite | None = None) -> Scored:
        """Score a test set into the table `out`, and its features beside it; features that lay there are removed.

        Args:
            test: one of `rows`.
            out: the score table.
            name: what the progress bar calls it, if not by the test set's name.
            suite: how the faces are perturbed.
        """
        wanted = features_path(out) if self.options.features else None
        with progress(
            f"evaluate {self.trained.config.model_name} on {name or test.name}", self.options.console
        ) as report:
            counts = score(
                self.trained.detector,
                self.rows[test],
                out,
                self.trained.config,
                self.trained.device,
                suite=suite,
                features=wanted,
                precision=self.choice.precision,
                workers=self.workers,
                on_progress=report,
                group=self.options.group,
            )
        if self.options.group.leads and not self.options.features:
            features_path(out).unlink(missing_ok=True)
        return counts

    def record(
        self,
        test: TestSet,
        out: Path,
        counts: Scored,
        started: float,
        *,
        weights: Path | None = None,
        note: str = "",
        suite: Suite | None = None,
    ) -> ScoreRecord:
        """Write the record of the score table `out` and the detector's configuration beside it.

        Args:
            test: one of `rows`.
            out: the score table.
            counts: what became of the rows.
            started: when, by `time.monotonic()`.
            weights: of which the scores are, if not those that were loaded.
            note: what a reader must know of the choice of weights.
            suite: how the faces were perturbed.
        """
        made_by = manifest_meta(find_source(self.options.data, test.dataset, self.options.profile).manifest)
        views = views_to_score(self.rows[test], self.trained.config, suite) if suite else None
        codec = f"{suite.name}: clips compressed by {views.codec}" if suite and views and views.codec else ""
        record = ScoreRecord(
            detector=self.trained.config.model_name,
            weights_sha256=weights_sha256(weights or self.trained.weights),
            manifest_sha256=manifest_sha256(self.rows[test].drop(columns=["store_path"])),
            protocol=self.options.protocol.name,
            protocol_version=VERSION,
            seed=self.trained.config.manualSeed,
            wall_seconds=time.monotonic() - started,
            n_videos=counts.videos,
            n_frames=counts.frames,
            n_faceless_frames=counts.faceless_frames,
            environment=environment(),
            git_commit=git_commit(),
            precision=self.choice.precision,
            skipped=counts.skipped,
            faceless_score=made_by.get("faceless_score"),
            suite=SuiteRecord(suite.name, suite.sha256, suite.config.on, suite.config.draws) if suite else None,
            notes=(*_notes(made_by, test.dataset, self.trained), *filter(None, [self.choice.note, codec, note])),
        )
        record.write(ScoreRecord.beside(out))
        write_text(out.with_name(CONFIG), to_yaml(self.trained.config))
        return record


def rows_to_score(
    data: Path, dataset: str, split: str, profile: str, protocol: Protocol, config: DetectorConfig
) -> pd.DataFrame:
    """The manifest rows of a data set's split that an evaluation scores, or counts because they hold no face.

    Raises:
        InputError: as for `preprocessing.rows.load_rows`.
    """
    rows = load_rows(data, dataset, split, profile=profile, compression=config.compression)
    if not protocol.first_frames:
        return rows
    stored = rows["skip"] == ""
    return pd.concat([spread(rows[stored], config.frame_num.test, first=True), rows[~stored]], ignore_index=True)


def views_to_score(rows: pd.DataFrame, config: DetectorConfig, suite: Suite) -> StoredViews | None:
    """The stored crops of perturbed frames that an evaluation of manifest rows reads, None if it needs none.

    Raises:
        InputError: as for `preprocessing.views.stored_views`.
    """
    return stored_views(FaceSet(faces_to_score(rows, config)), suite)


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
