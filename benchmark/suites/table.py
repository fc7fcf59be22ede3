"""A suite's table, of the cells that are there: means over seeds, averages over columns, notes for the reader."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, stdev

from benchmark.evaluate import Evaluated
from benchmark.robustness_tables import suite_note
from benchmark.samples import other_samples_note
from benchmark.score_tables import direction, record_notes, thresholds_beside
from benchmark.suites.cells import ScoreCell
from benchmark.suites.columns import Measured, group_heading, suite_columns
from benchmark.suites.plan import Cell, Plan, State, status
from benchmark.suites.published import with_published
from benchmark.suites.readings import Reading, read_cell, read_plan
from config.suite import SuiteColumns, SuiteConfig
from evaluation.bootstrap import RESAMPLES
from evaluation.measurement import measure
from evaluation.scores import ScoreRecord
from evaluation.tables import Column, Deviation, Spread, Table
from evaluation.ties import SIGNIFICANT, tied_with_best


def suite_table(plan: Plan, readings: Sequence[Reading] | None = None, stamp: str = "") -> Table:
    """The table of a plan's cells that are there; a value whose cell is missing, or a mean that lacks one, is empty.

    Args:
        plan: the plan.
        readings: what its cells say, from `read_plan`; read if not given.
        stamp: what must be said before all else, such as that the figures are of the demo.

    Raises:
        InputError: an average over columns that are not there, or published figures that are not there.
    """
    suite, columns = plan.suite, suite_columns(plan.suite.columns)
    readings = read_plan(plan) if readings is None else readings
    rows: dict[str, list[Reading]] = {entry.row.name: [] for entry in plan.trained}
    for reading in readings:
        rows[reading.entry.row.name].append(reading)
    cells = [[_mean([reading.value(column) for reading in row]) for column in columns] for row in rows.values()]
    done = [cell for reading in readings for cell in reading.done]
    needed: list[Cell] = [reading.entry.cell for reading in readings]
    needed += [cell for reading in readings for cell in reading.cells.values()]
    tied = _tied(list(rows.values()), columns)
    notes = {note for reading in readings for note in reading.notes}
    table = Table(
        caption=suite.title,
        row_header="Detector",
        rows=tuple(rows),
        columns=tuple(_column(measured, suite.columns) for measured in columns),
        values=tuple(tuple(value for value, _ in row) for row in cells),
        footnotes=(
            *notes_beside(done, suite),
            *sorted(notes),
            *_of_other_samples(readings, columns),
            *_how_tied(tied, suite),
            *_waiting(needed),
        ),
        spreads=tuple(tuple(spread for _, spread in row) for row in cells) if len(suite.seeds) > 1 else (),
        tied=tied,
        reasons=tuple(tuple(_reason(row, column) for column in columns) for row in rows.values()),
        stamp=stamp,
    )
    return with_published(with_averages(table, suite), suite)


def with_averages(table: Table, suite: SuiteConfig) -> Table:
    """A table of all columns of a suite with those of means after them.

    Raises:
        InputError: a mean is over columns that are not there.
    """
    columns = suite_columns(suite.columns)
    for group in suite.columns:
        for name, over in group.averages.items():
            own = [measured.heading for measured in columns if measured.group is group]
            table = table.mean_column(name, group_heading(group, suite.columns), over or own)
    return table


def run_table(reading: Reading, suite: SuiteConfig) -> Table:
    """The row of a suite's table that one training run gives.

    Raises:
        InputError: as for `with_averages`.
    """
    columns = suite_columns(suite.columns)
    row = Table(
        caption=suite.title,
        row_header="Detector",
        rows=(reading.entry.row.name,),
        columns=tuple(_column(measured, suite.columns) for measured in columns),
        values=(tuple(reading.value(column) for column in columns),),
    )
    return with_averages(row, suite)


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
    record, scores = read_cell(cell)
    thresholds = thresholds_beside(cell.scores, record, threshold_on)
    return Evaluated(cell.test, cell.scores, record, measure(scores, thresholds))


def _mean(values: Sequence[float | None]) -> tuple[float | None, Spread | None]:
    """The mean over seeds and their sample standard deviation; nothing unless all seeds have a value."""
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None, None
    return fmean(present), Deviation(stdev(present)) if len(present) > 1 else None


def _reason(row: Sequence[Reading], column: Measured) -> str:
    """Why a row has no number in a column although its cells are there."""
    return next(filter(None, (reading.reason(column) for reading in row)), "")


def _tied(rows: Sequence[Sequence[Reading]], columns: Sequence[Measured]) -> tuple[tuple[bool | None, ...], ...]:
    """Which AUCs of clean scores do not differ significantly from the best of their column; empty if none is tested."""
    by_column = [tied_with_best([[reading.drawn(column) for reading in row] for row in rows]) for column in columns]
    tested = any(tied is not None for column in by_column for tied in column)
    return tuple(zip(*by_column, strict=True)) if tested else ()


def _of_other_samples(readings: Sequence[Reading], columns: Sequence[Measured]) -> Iterator[str]:
    """A note for each test set on which not all rows are of the same samples."""
    for column in {column.test: column for column in columns if not column.group.perturb}.values():
        marks = [(reading.entry.row.name, mark) for reading in readings if (mark := reading.samples(column))]
        yield from other_samples_note(column.test, marks)


def _how_tied(tied: Sequence[Sequence[bool | None]], suite: SuiteConfig) -> Iterator[str]:
    """How it was tested, if it was."""
    if tied:
        seeds = " and training seeds" * (len(suite.seeds) > 1)
        yield (
            f"difference from the best AUC of a column: paired bootstrap over videos{seeds} ({RESAMPLES} resamples),"
            f" level {100 * SIGNIFICANT:g} %, not corrected for several comparisons; other columns are not tested"
        )


def _column(measured: Measured, groups: Sequence[SuiteColumns]) -> Column:
    form = "+.4f" if measured.group.relative else ".4f"
    return Column(measured.heading, direction(measured.group.metric), group_heading(measured.group, groups), form)


def _waiting(cells: Sequence[Cell]) -> Iterator[str]:
    """A note for each reason why cells are not there."""
    waits = [found for cell in cells if (found := status(cell)).state == State.WAITS]
    reasons = {name: reason for found in waits for name, reason in found.waits_for.items()}
    yield from (f"not measured: {reason}" for reason in dict.fromkeys(reasons.values()))
    missing = sum(status(cell).state == State.TO_RUN for cell in cells)
    if missing:
        yield f"not measured yet: {missing} of {len(cells)} cells"
