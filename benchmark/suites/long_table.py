"""A suite's table with a line for each number of each training run, for those who go on computing with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmark.suites.columns import Measured, group_heading, suite_columns
from benchmark.suites.plan import Plan
from benchmark.suites.readings import Reading
from benchmark.suites.table import run_table
from config.suite import SuiteColumns, SuiteConfig
from evaluation.tables import Table


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line of the file; its fields are the file's columns, empty where there is nothing to say.

    Attributes:
        row: the table's row.
        detector: its name.
        seed: of the training run.
        group: heading above the table's column.
        column: its own heading.
        metric: what is measured.
        test_set: on what; empty for a mean over columns.
        perturbation_suite: under what; empty for clean scores, as the next two.
        perturbation: of the suite.
        level: of the perturbation.
        value: of this training run.
        low: lower end of the value's 95 % interval, for AUCs of clean scores.
        high: upper end.
        published: the figure of the source, in the lines of all seeds.
        difference: value minus published.
        tied: whether the row does not differ significantly from the best of the column, over all seeds.
        cited: whether the row is only cited.
        scores: the score table, below the folder of results.
        reason: why there is no value.
        stamp: what must be said before all else.
    """

    row: str
    detector: str
    seed: int | None
    group: str
    column: str
    metric: str
    test_set: str
    perturbation_suite: str
    perturbation: str
    level: int | None
    value: float | None
    low: float | None
    high: float | None
    published: float | None
    difference: float | None
    tied: bool | None
    cited: bool
    scores: str
    reason: str
    stamp: str


def long_csv(plan: Plan, table: Table, readings: Sequence[Reading], out: Path) -> str:
    """The lines as CSV, row by row, seed by seed, column by column.

    Args:
        plan: of the suite.
        table: its table.
        readings: what its cells say.
        out: folder of results, from which score tables are named.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(field.name for field in fields(LongLine))
    writer.writerows(astuple(line) for line in _lines(plan.suite, table, readings, out))
    return written.getvalue()


def _lines(suite: SuiteConfig, table: Table, readings: Sequence[Reading], out: Path) -> Iterator[LongLine]:
    sources = {(group_heading(one.group, suite.columns), one.heading): one for one in suite_columns(suite.columns)}
    metrics = {heading: _metric(one.group) for (heading, _), one in sources.items()}
    for at, name in enumerate(table.rows):
        runs: list[Reading | None] = [reading for reading in readings if reading.entry.row.name == name]
        for run in runs or [None]:
            values = _values(run, suite) if run else {}
            for index, column in enumerate(table.columns):
                place = column.group, column.name
                of = _Number(run, values.get(place), sources.get(place), metrics.get(column.group, ""))
                yield _line(table, at, index, of, out)


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of a training run.

    Attributes:
        run: what the run's cells say; None for a row that is only cited.
        value: the number; None if there is none.
        source: the column that it stands in; None for a mean over columns.
        metric: what is measured.
    """

    run: Reading | None
    value: float | None
    source: Measured | None
    metric: str


def _line(table: Table, at: int, index: int, of: _Number, out: Path) -> LongLine:
    """The line of a number in row `at` and column `index` of the table."""
    run, source = of.run, of.source
    cell = run.cell(source) if run and source else None
    drawn = run.drawn(source) if run and source else None
    waits_for = run.waits_for(source) if run and source else ""
    published = table.published[at][index] if table.published else None
    return LongLine(
        row=table.rows[at],
        detector=run.entry.cell.config.model_name if run else "",
        seed=run.entry.cell.config.manualSeed if run else None,
        group=table.columns[index].group,
        column=table.columns[index].name,
        metric=of.metric,
        test_set=source.test if source else "",
        perturbation_suite=cell.perturb.name if cell and cell.perturb else "",
        perturbation=source.perturbation if source else "",
        level=source.level if source and source.perturbation else None,
        value=of.value,
        low=drawn.interval.low if drawn else None,
        high=drawn.interval.high if drawn else None,
        published=published,
        difference=None if of.value is None or published is None or table.stamp else of.value - published,
        tied=table.tied[at][index] if table.tied else None,
        cited=table.rows[at] in table.cited,
        scores=cell.scores.relative_to(out).as_posix() if cell and not waits_for else "",
        reason="" if of.value is not None else _reason(of, waits_for),
        stamp=table.stamp,
    )


def _values(run: Reading, suite: SuiteConfig) -> dict[tuple[str, str], float | None]:
    """A training run's numbers by the headings of their columns."""
    table = run_table(run, suite)
    return dict(zip(((column.group, column.name) for column in table.columns), table.values[0], strict=True))


def _metric(group: SuiteColumns) -> str:
    return f"change_of_{group.metric}" if group.relative else group.metric


def _reason(of: _Number, waits_for: str) -> str:
    """Why a number is not there, in words."""
    if of.run is None:
        return "cited"
    return waits_for or of.run.reason(of.source) if of.source else "mean of columns that lack a value"
