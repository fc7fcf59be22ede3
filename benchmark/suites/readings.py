"""What the finished cells of a plan say: the number of each training run in each column, and what goes with it."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import pandas as pd

from benchmark.robustness_tables import read_robustness
from benchmark.samples import samples_mark, samples_of
from benchmark.score_tables import read_table, thresholds_beside
from benchmark.suites.cells import ScoreCell
from benchmark.suites.columns import Measured, suite_columns
from benchmark.suites.plan import Plan, ScoreKey, State, Status, Trained, status
from config.suite import SuiteConfig
from evaluation.comparison import COMPARED
from evaluation.metrics import Metrics, evaluate_scores
from evaluation.scores import ScoreRecord
from evaluation.ties import DrawnAuc, drawn_aucs


def read_plan(plan: Plan) -> list["Reading"]:
    """What the finished cells of each training run say."""
    return [Reading(entry, plan.suite) for entry in plan.trained]


def read_cell(cell: ScoreCell) -> tuple[ScoreRecord, pd.DataFrame]:
    """A finished cell's record, and its scores as the protocol's metrics see them."""
    return read_table(cell.scores)


class Reading:
    """What the finished cells of one training run say; each file is read once."""

    def __init__(self, entry: Trained, suite: SuiteConfig) -> None:
        self.entry, self._suite = entry, suite
        self.cells = _cells_of_columns(entry, suite)

    def cell(self, column: Measured) -> ScoreCell:
        """The cell that a column is of."""
        return self.cells[column.test, "test", column.group.perturb]

    def value(self, column: Measured) -> float | None:
        """The number in a column; None if its cell is not there, or has none."""
        found = self._of(column)
        return found.value(column) if found else None

    def reason(self, column: Measured) -> str:
        """Why a finished cell has no number, in two words; empty if it has one, or is not there."""
        found = self._of(column)
        return found.reason(column) if found else ""

    def drawn(self, column: Measured) -> DrawnAuc | None:
        """The AUC in a column of clean scores on resampled videos; None for all else."""
        found = self._of(column)
        return found.drawn.get(column.group.metric) if isinstance(found, _Clean) else None

    def samples(self, column: Measured) -> str:
        """The `samples_mark` of what the clean scores in a column are of; empty for all else."""
        found = self._of(column)
        return found.samples if isinstance(found, _Clean) else ""

    def waits_for(self, column: Measured) -> str:
        """What the cell of a column waits for, in sentences; empty if it is there."""
        found = self._states[column.test, "test", column.group.perturb]
        return "not measured yet" if found.state == State.TO_RUN else "; ".join(found.waits_for.values())

    @property
    def done(self) -> Iterable[ScoreCell]:
        """The finished cells."""
        return self._done.values()

    @property
    def notes(self) -> set[str]:
        """Why test sets lack metrics, and how many of their videos have no face."""
        return {f"{test}: {found.note}" for (test, _, _), found in self._found.items() if found.note}

    def _of(self, column: Measured) -> "_Clean | _Perturbed | None":
        return self._found.get((column.test, "test", column.group.perturb))

    @property
    def _thresholds(self) -> Sequence[str]:
        """The data sets that thresholds are chosen on; none while the scores of one are missing."""
        on = self._suite.threshold_on
        return on if all((name, "val", None) in self._done for name in on) else ()

    @cached_property
    def _done(self) -> dict[ScoreKey, ScoreCell]:
        return {key: cell for key, cell in self.cells.items() if self._states[key].state == State.DONE}

    @cached_property
    def _states(self) -> dict[ScoreKey, Status]:
        return {key: status(cell) for key, cell in self.cells.items()}

    @cached_property
    def _found(self) -> dict[ScoreKey, "_Clean | _Perturbed"]:
        aucs = {(one.test, one.group.metric) for one in suite_columns(self._suite.columns) if not one.group.perturb}
        return {
            key: _Perturbed(cell, self._thresholds)
            if cell.perturb
            else _Clean(cell, self._thresholds, [name for name in COMPARED if (cell.test, name) in aucs])
            for key, cell in self._done.items()
            if cell.split == "test"
        }


class _Clean:
    """The metrics of a test set as it is, and AUCs on resampled videos."""

    def __init__(self, cell: ScoreCell, threshold_on: Sequence[str], aucs: Sequence[str]) -> None:
        record, scores = read_cell(cell)
        self._metrics = evaluate_scores(scores, thresholds_beside(cell.scores, record, threshold_on))
        self.drawn = drawn_aucs(scores, {name: getattr(self._metrics, name) for name in aucs})
        self.note, self.samples = self._metrics.note, samples_mark(samples_of(scores))

    def value(self, column: Measured) -> float | None:
        """The number in a column; None if it has none."""
        return getattr(self._metrics, column.group.metric)

    def reason(self, column: Measured) -> str:
        """Why there is no number in a column."""
        return _lacking([self._metrics]) if self.value(column) is None else ""


class _Perturbed:
    """What became of a test set under a perturbation suite."""

    def __init__(self, cell: ScoreCell, threshold_on: Sequence[str]) -> None:
        found = read_robustness(cell.scores, threshold_on=threshold_on, distances=cell.with_features)
        self._robustness = found.robustness
        self._conditions = {(each.perturbation, each.level): each for each in found.robustness.conditions}
        self.note = found.robustness.conditions[0].metrics[0].note

    def value(self, column: Measured) -> float | None:
        """The number in a column, the mean over draws; None if it has none."""
        condition = self._conditions[column.perturbation, column.level]
        return self._robustness.value(condition, column.group.metric, relative=column.group.relative)

    def reason(self, column: Measured) -> str:
        """Why there is no number in a column."""
        condition = self._conditions[column.perturbation, column.level]
        return _lacking(condition.metrics) if self.value(column) is None else ""


def _lacking(metrics: Sequence[Metrics]) -> str:
    """What a test set lacks for a metric, in two words."""
    if any(one.n_frames == 0 for one in metrics):
        return "no face"
    return "one class" if any(one.frame_auc is None for one in metrics) else ""


def _cells_of_columns(entry: Trained, suite: SuiteConfig) -> dict[ScoreKey, ScoreCell]:
    """The scores that the table shows of a row, and those that thresholds are chosen on; figures may need others."""
    keys: list[ScoreKey] = [(name, "val", None) for name in suite.threshold_on]
    keys += [(test, "test", group.perturb) for group in suite.columns for test in group.test.values()]
    return {key: entry.scores[key] for key in keys}
