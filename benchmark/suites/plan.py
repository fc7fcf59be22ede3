"""What a suite needs: its cells, each of them once, and whether they are there, can be made, or wait for data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.describe import whole_of
from benchmark.suites.cells import ScoreCell, TrainCell
from benchmark.suites.columns import on_test_sets, refuse_unknown, suite_columns
from benchmark.suites.published import published_beside
from config.errors import InputError, unknown
from config.load import load_config, validate
from config.row import SuiteRow
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from config.test_sets import OnTestSets
from detectors import DETECTOR
from evaluation.protocol import Protocol
from preprocessing.parts import find_source
from preprocessing.pipeline import manifest_path
from preprocessing.views import Suite, load_suite

Cell = TrainCell | ScoreCell
ScoreKey = tuple[str, str, str | None]
"""What a score cell is of: test set, split, and perturbation suite."""


class State(StrEnum):
    """Whether a cell is there."""

    DONE = "done"
    TO_RUN = "to run"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Status:
    """A cell's state.

    Attributes:
        state: whether it is there.
        waits_for: what it waits for in short, the names of data sets where these are missing, and each in a sentence.
    """

    state: State
    waits_for: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trained:
    """A row with one of its seeds.

    Attributes:
        row: the row.
        cell: its training run.
        scores: its score cells.
    """

    row: SuiteRow
    cell: TrainCell
    scores: dict[ScoreKey, ScoreCell]

    @property
    def cells(self) -> list[Cell]:
        """The training run, and its scores after it."""
        return [self.cell, *self.scores.values()]


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a suite's table and figures, in the order in which they are made.

    Attributes:
        name: of the suite.
        suite: the suite.
        trained: each row's training runs, seed by seed, with their scores.
    """

    name: str
    suite: SuiteConfig
    trained: tuple[Trained, ...]

    @property
    def cells(self) -> list[Cell]:
        """All cells, those of each training run after it."""
        return [cell for entry in self.trained for cell in entry.cells]


def status(cell: Cell) -> Status:
    """Whether a cell is there, can be made, or waits for a data set."""
    if missing := _missing(cell):
        return Status(State.WAITS, missing)
    try:
        if isinstance(cell, TrainCell):
            return Status(State.DONE if cell.is_done else State.TO_RUN)
        trained = status(cell.of)
        if trained.state == State.DONE and cell.is_done:
            return trained
        cell.refuse_missing()
        return Status(State.TO_RUN) if trained.state == State.DONE else trained
    except InputError as error:
        return Status(State.WAITS, {"its data": str(error)})


def _missing(cell: Cell) -> dict[str, str]:
    """The data sets that a cell lacks, and how each comes."""
    of, tests = (cell, []) if isinstance(cell, TrainCell) else (cell.of, [cell.test])
    return missing_sets([*of.config.train_dataset, *tests], of)


def missing_sets(names: Iterable[str], of: TrainCell) -> dict[str, str]:
    """Which data sets are not preprocessed as a training run needs them, and how each comes."""
    missing = {}
    for name in names:
        try:
            find_source(of.data, name, of.profile)
        except InputError:
            whole = whole_of(name) or name
            lacks = name if manifest_path(of.data, of.profile, whole).is_file() else whole
            command = f"assay preprocess {whole} --root DIR --data {of.data} --profile {of.profile}"
            missing[name] = f"{lacks} is not preprocessed: '{command}'; access: 'assay data card {whole}'"
    return missing


def plan_suite(name: str, suite: SuiteConfig, data: Path, runs: Path, only: Sequence[str] = ()) -> Plan:
    """The plan of a suite.

    Args:
        name: of the suite.
        suite: the suite.
        data: folder of stores and manifests.
        runs: folder of all runs; those of other suites in it are used.
        only: patterns of rows' names, such as "sbi*"; by default all rows.

    Raises:
        InputError: an unknown detector, option, metric, perturbation suite or protocol, two columns or perturbation
            suites of one name, published figures that are not there, or a pattern that fits no row.
    """
    suite_columns(suite.columns)  # so that a wrong name is answered before anything runs
    refuse_unknown(suite.figures)
    published_beside(suite)
    rows = rows_that_fit(suite, only)
    if not rows:
        raise unknown("row", ", ".join(only), [row.name for row in suite.rows])
    perturbations = _perturbations(on_test_sets(suite))
    trained = [_trained(row, seed, suite, perturbations, data, runs) for row in rows for seed in suite.seeds or (None,)]
    return Plan(name, suite, tuple(trained))


def rows_that_fit(suite: SuiteConfig, only: Sequence[str]) -> list[SuiteRow]:
    """The rows of a suite whose names fit one of some patterns; all without patterns."""
    return [row for row in suite.rows if not only or any(fnmatchcase(row.name, pattern) for pattern in only)]


def _trained(
    row: SuiteRow,
    seed: int | None,
    suite: SuiteConfig,
    perturbations: dict[str, Suite],
    data: Path,
    runs: Path,
) -> Trained:
    overrides = row.overrides(suite.train, seed)
    config = load_config(DetectorConfig, row.detector, overrides)
    if config.model_name not in DETECTOR:
        raise unknown("detector", config.model_name, DETECTOR)
    validate(DETECTOR[config.model_name].Options, config.options, f"row '{row.name}': options of {config.model_name}")
    if not config.train_dataset:
        raise InputError(f"row '{row.name}': neither the suite nor {row.detector} says what it is trained on")
    cell = TrainCell(row.detector, overrides, config, suite.profile, Protocol.parse(suite.protocol), data, runs)
    scores: dict[ScoreKey, ScoreCell] = {}
    for name in suite.threshold_on:
        scores[name, "val", None] = ScoreCell(cell, name, "val")
    for asked in on_test_sets(suite, row):
        perturb = perturbations[asked.perturb] if asked.perturb else None
        for test in asked.test.values():
            known = scores.get((test, "test", asked.perturb))
            with_features = asked.needs_features or (known is not None and known.with_features)
            scores[test, "test", asked.perturb] = ScoreCell(cell, test, "test", perturb, with_features)
    return Trained(row, cell, scores)


def _perturbations(asked: Iterable[OnTestSets]) -> dict[str, Suite]:
    """The perturbation suites of some columns and figures, as they are named there."""
    found = {one.perturb: load_suite(one.perturb) for one in asked if one.perturb}
    by_name: dict[str, Suite] = {}
    for given, perturb in found.items():
        if by_name.setdefault(perturb.name, perturb).sha256 != perturb.sha256:
            raise InputError(f"perturb: {given} is another suite than the first of the name {perturb.name}; rename it")
    return found
