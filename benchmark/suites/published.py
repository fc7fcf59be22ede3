"""What a paper prints of a suite's table: figures beside measured ones, and rows that are only cited."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.suites.columns import group_heading, suite_columns
from config.errors import InputError, unknown
from config.published import SuitePublished
from config.suite import SuiteColumns, SuiteConfig
from evaluation.published import PublishedFigure, PublishedTable, read_source
from evaluation.tables import Table

Place = tuple[str, str]
"""A column: heading of its group, and its own."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The published table of a suite, matched with it.

    Attributes:
        table: as its source prints it.
        named: the table's name of each row of the suite; None of one that it lacks.
        figures: by the table's row and the suite's column.
    """

    table: PublishedTable
    named: dict[str, str | None]
    figures: dict[tuple[str, Place], PublishedFigure]

    @property
    def cited(self) -> list[str]:
        """The table's rows that have figures of the suite's columns, and are no rows of the suite."""
        shown = {row for row, _ in self.figures}
        return [row for row in self.table.rows if row in shown and row not in self.named.values()]


def published_beside(suite: SuiteConfig) -> Beside | None:
    """The published table that a suite names, matched with it; None if it names none.

    Raises:
        InputError: there is no such source or table, or a row or column neither finds figures nor is said to have none.
    """
    asked = suite.published
    if asked is None:
        return None
    table = read_source(asked.source).table(asked.table)
    names = [row.name for row in suite.rows]
    _refuse_others("row of the suite in published.rows:", asked.rows, names)
    named = {name: asked.rows.get(name, name) for name in names}
    figures = _figures(asked, table, _columns(suite))
    shown = list(dict.fromkeys(row for row, _ in figures))
    for own, name in named.items():
        if name is not None and name not in shown:
            raise unknown(f"row of {table.name}, which published.rows may give for '{own}',", name, shown)
    beside = Beside(table, named, figures)
    if both := [name for name in beside.cited if name in names]:
        raise InputError(f"published: '{both[0]}' is another row in {table.name}; give that of the suite another name")
    return beside


def with_published(table: Table, suite: SuiteConfig) -> Table:
    """A suite's table with the figures of its published table, and with the rows of that one which it lacks.

    Rows stand in the order of the published table; one that this lacks stays behind the row above it.

    Args:
        table: the suite's, which may lack some of its rows.
        suite: the suite.

    Raises:
        InputError: as `published_beside`.
    """
    beside = published_beside(suite)
    if beside is None:
        return table
    order = _order(table.rows, beside)
    printed = {name: beside.named.get(name, name) for name in order}
    places = [(column.group, column.name) for column in table.columns]
    found = {(name, place): beside.figures.get((printed[name] or "", place)) for name in order for place in places}
    extended: dict[str, Any] = {
        field: tuple(dict(zip(table.rows, grid, strict=True)).get(name, (none,) * len(places)) for name in order)
        for field, none in (("values", None), ("spreads", None), ("tied", None), ("reasons", ""), ("uncounted", None))
        if (grid := getattr(table, field))
    }
    return replace(
        table,
        rows=tuple(order),
        published=tuple(
            tuple(None if (figure := found[name, place]) is None else float(figure.value) for place in places)
            for name in order
        ),
        cited=frozenset(beside.cited),
        footnotes=(*_notes(beside, [figure for figure in found.values() if figure]), *table.footnotes),
        **extended,
    )


def _columns(suite: SuiteConfig) -> list[tuple[SuiteColumns, Place]]:
    """The columns of a suite's table, averages among them, each with its group."""
    columns = [(one.group, one.heading) for one in suite_columns(suite.columns)]
    columns += [(group, name) for group in suite.columns for name in group.averages]
    return [(group, (group_heading(group, suite.columns), heading)) for group, heading in columns]


def _figures(
    asked: SuitePublished, table: PublishedTable, columns: Sequence[tuple[SuiteColumns, Place]]
) -> dict[tuple[str, Place], PublishedFigure]:
    """The table's figures, by its row and the suite's column."""
    known = [key for _, (group, heading) in columns for key in (f"{group}: {heading}", heading, group)]
    _refuse_others("column of the suite in published.columns:", asked.columns, known)
    if whole := [group for _, (group, _) in columns if asked.columns.get(group) is not None]:
        raise InputError(f"published.columns: '{whole[0]}' is a group of columns, which may only be null")
    found: dict[tuple[str, Place], PublishedFigure] = {}
    for group, place in columns:
        heading = _heading(asked, place)
        if heading is None:
            continue
        metric, levels = asked.beside(f"relative_{group.metric}" if group.relative else group.metric)
        of_metric = [one for one in table.figures if one.metric == metric and one.level in levels]
        if heading not in (headings := {one.heading for one in of_metric}):
            own = ": ".join(place)
            raise unknown(f"column of {table.name}, which published.columns may give for '{own}',", heading, headings)
        beside = [one for one in of_metric if one.heading == heading]
        if twice := [other for (_, other), one in found.items() if one == beside[0]]:
            both = f"'{': '.join(twice[0])}' and '{': '.join(place)}'"
            raise InputError(f"published.columns: {table.name}: {heading} stands beside {both}")
        for figure in beside:
            if (figure.row, place) in found:
                raise InputError(f"published.levels: {table.name} has {heading} of {figure.row} of several of {levels}")
            found[figure.row, place] = figure
    return found


def _heading(asked: SuitePublished, place: Place) -> str | None:
    """What the published table calls a column; None if it lacks it."""
    keys = (": ".join(place), *place)
    return next((asked.columns[key] for key in keys if key in asked.columns), place[1])


def _refuse_others(kind: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)


def _order(rows: Sequence[str], beside: Beside) -> list[str]:
    """Measured and cited rows, in the order of the published table."""
    ranks: dict[str, int] = {}
    above = -1
    for name in rows:
        printed = beside.named[name]
        above = above if printed is None else beside.table.rows.index(printed)
        ranks[name] = above
    ranks |= {name: beside.table.rows.index(name) for name in beside.cited}
    return sorted(ranks, key=ranks.__getitem__)


def _notes(beside: Beside, shown: Sequence[PublishedFigure]) -> list[str]:
    """Whose figures they are, which means disagree with what they are of, and what else a reader must know."""
    notes = ["; ".join((f"published figures: {beside.table.source}, {beside.table.name}", *_said("protocol", shown)))]
    notes += [str(average) for average in beside.table.averages() if average.disagrees and average.printed in shown]
    if len(trained := _said("train_set", shown)) > 1:
        notes += [f"{', '.join(rows)}, as published: trained on {text}" for text, rows in trained.items()]
    every = {figure.row for figure in shown}
    for text, rows in _said("note", shown).items():
        notes.append(f"as published: {text}" if every == set(rows) else f"{', '.join(rows)}, as published: {text}")
    return notes


def _said(field: str, figures: Iterable[PublishedFigure]) -> dict[str, list[str]]:
    """What a field of some figures says, with the rows that it says it of."""
    said: dict[str, dict[str, None]] = {}
    for figure in figures:
        if text := getattr(figure, field):
            said.setdefault(text, {})[figure.row] = None
    return {text: list(rows) for text, rows in said.items()}
