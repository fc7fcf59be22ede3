"""A suite's table, of the cells that are there: means over seeds, averages over columns, notes for the reader."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from statistics import fmean, stdev

import pandas as pd

from benchmark.evaluate import Evaluated
from benchmark.leaderboard import direction, record_notes, thresholds_beside
from benchmark.robustness_tables import read_robustness, suite_note
from benchmark.suites.cells import ScoreCell
from benchmark.suites.columns import Measured, group_heading, suite_columns
from benchmark.suites.plan import Cell, Plan, ScoreKey, State, Trained, status
from config.suite import SuiteColumns, SuiteConfig
from evaluation.measurement import measure
from evaluation.metrics import evaluate_scores
from evaluation.protocol import Protocol
from evaluation.scores import ScoreRecord, read_scores
from evaluation.tables import Column, Deviation, Spread, Table


def suite_table(plan: Plan) -> Table:
    """The table of a plan's cells that are there; a value whose cell is missing, or a mean that lacks one, is empty.

    Raises:
        InputError: an average over columns that are not there.
    """
    suite = plan.suite
    columns = suite_columns(suite.columns)
    readings = [_Reading(entry, suite) for entry in plan.trained]
    rows = list(dict.fromkeys(entry.row.name for entry in plan.trained))
    cells = [
        [_mean([reading.value(column) for reading in readings if reading.entry.row.name == row]) for column in columns]
        for row in rows
    ]
    done = [cell for reading in readings for cell in reading.done]
    needed: list[Cell] = [reading.entry.cell for reading in readings]
    needed += [cell for reading in readings for cell in reading.cells.values()]
    table = Table(
        caption=suite.title,
        row_header="Detector",
        rows=tuple(rows),
        columns=tuple(_column(measured, suite.columns) for measured in columns),
        values=tuple(tuple(value for value, _ in row) for row in cells),
        footnotes=(*notes_beside(done, suite), *_waiting(needed)),
        spreads=tuple(tuple(spread for _, spread in row) for row in cells) if len(suite.seeds) > 1 else (),
    )
    for group in suite.columns:
        for name, over in group.averages.items():
            own = [measured.heading for measured in columns if measured.group is group]
            table = table.mean_column(name, group_heading(group, suite.columns), over or own)
    return table


def notes_beside(cells: Iterable[ScoreCell], suite: SuiteConfig) -> tuple[str, ...]:
    """What a reader must know beside what follows from finished cells: the suite's footnotes, and what records say."""
    records = [ScoreRecord.read(ScoreRecord.beside(cell.scores)) for cell in cells]
    notes = {suite_note(record.suite) for record in records if record.suite}
    return (*suite.footnotes, *sorted(notes.union(*map(record_notes, records))))


def read_evaluated(cell: ScoreCell, threshold_on: Sequence[str] = ()) -> Evaluated:
    """A finished cell of clean scores as `assay evaluate` gives it, measured anew.

    Args:
        cell: the cell.
        threshold_on: data sets on whose val scores, cells of the same run, the thresholds of TPR and FPR are chosen.
    """
    record, scores = _scores(cell)
    thresholds = thresholds_beside(cell.scores, record, threshold_on)
    return Evaluated(cell.test, cell.scores, record, measure(scores, thresholds))


def _cells_of_columns(entry: Trained, suite: SuiteConfig) -> dict[ScoreKey, ScoreCell]:
    """The scores that the table shows of a row, and those that thresholds are chosen on; figures may need others."""
    keys: list[ScoreKey] = [(name, "val", None) for name in suite.threshold_on]
    keys += [(test, "test", group.perturb) for group in suite.columns for test in group.test.values()]
    return {key: entry.scores[key] for key in keys}


class _Clean:
    """The metrics of a test set as it is."""

    def __init__(self, cell: ScoreCell, threshold_on: Sequence[str]) -> None:
        record, scores = _scores(cell)
        self._metrics = evaluate_scores(scores, thresholds_beside(cell.scores, record, threshold_on))

    def value(self, column: Measured) -> float | None:
        """The number in a column; None if it has none."""
        return getattr(self._metrics, column.group.metric)


class _Perturbed:
    """What became of a test set under a perturbation suite."""

    def __init__(self, cell: ScoreCell, threshold_on: Sequence[str]) -> None:
        found = read_robustness(cell.scores, threshold_on=threshold_on, distances=cell.with_features)
        self._robustness = found.robustness
        self._conditions = {(each.perturbation, each.level): each for each in found.robustness.conditions}

    def value(self, column: Measured) -> float | None:
        """The number in a column, the mean over draws; None if it has none."""
        condition = self._conditions[column.perturbation, column.level]
        return self._robustness.value(condition, column.group.metric, relative=column.group.relative)


class _Reading:
    """What the finished cells of one training run say; each file is read once."""

    def __init__(self, entry: Trained, suite: SuiteConfig) -> None:
        self.entry, self._threshold_on = entry, suite.threshold_on
        self.cells = _cells_of_columns(entry, suite)

    def value(self, column: Measured) -> float | None:
        """The number in a column; None if its cell is not there, or has none."""
        found = self._found.get((column.test, "test", column.group.perturb))
        return found.value(column) if found else None

    @property
    def done(self) -> Iterable[ScoreCell]:
        """The finished cells."""
        return self._done.values()

    @property
    def _thresholds(self) -> Sequence[str]:
        """The data sets that thresholds are chosen on; none while the scores of one are missing."""
        return self._threshold_on if all((name, "val", None) in self._done for name in self._threshold_on) else ()

    @cached_property
    def _done(self) -> dict[ScoreKey, ScoreCell]:
        return {key: cell for key, cell in self.cells.items() if status(cell).state == State.DONE}

    @cached_property
    def _found(self) -> dict[ScoreKey, _Clean | _Perturbed]:
        return {
            key: (_Clean if cell.perturb is None else _Perturbed)(cell, self._thresholds)
            for key, cell in self._done.items()
            if cell.split == "test"
        }


def _scores(cell: ScoreCell) -> tuple[ScoreRecord, pd.DataFrame]:
    """A cell's record, and its scores as the protocol's metrics see them."""
    record = ScoreRecord.read(ScoreRecord.beside(cell.scores))
    return record, Protocol.parse(record.protocol).view(record.with_rule(read_scores(cell.scores)))


def _mean(values: Sequence[float | None]) -> tuple[float | None, Spread | None]:
    """The mean over seeds and their sample standard deviation; nothing unless all seeds have a value."""
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None, None
    return fmean(present), Deviation(stdev(present)) if len(present) > 1 else None


def _column(measured: Measured, groups: Sequence[SuiteColumns]) -> Column:
    form = "+.4f" if measured.group.relative else ".4f"
    return Column(measured.heading, direction(measured.group.metric), group_heading(measured.group, groups), form)


def _waiting(cells: Sequence[Cell]) -> Iterator[str]:
    """A note for each reason why cells are not there."""
    waits = [found for cell in cells if (found := status(cell)).state == State.WAITS]
    reasons = {name: reason for found in waits for name, reason in found.waits_for.items()}
    yield from (f"not measured: {reason}" for reason in reasons.values())
    missing = sum(status(cell).state == State.TO_RUN for cell in cells)
    if missing:
        yield f"not measured yet: {missing} of {len(cells)} cells"
