"""What a table prints, line by line, whatever the format: measured rows, published figures below them, cited rows."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from evaluation.tables import Column, Rank, Table

CITED_MARK, TIED_MARK, UNCOUNTED_MARK = "†", "≈", "‡"


class Kind(Enum):
    """What the figures of a line are."""

    MEASURED = "measured"
    PUBLISHED = "published"
    DIFFERENCE = "difference"
    CITED = "cited"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is printed in one place.

    Attributes:
        text: the value, a dash, or why there is none.
        spread: beside the value; empty if there is none.
        rank: of the value in its column.
        mark: of a value that does not differ from the best of its column, or does not count; else empty.
    """

    text: str
    spread: str = ""
    rank: Rank | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table.

    Attributes:
        kind: what its figures are.
        name: of the row; below a measured row what the line has.
        cells: (C,) what is printed.
    """

    kind: Kind
    name: str
    cells: tuple[Cell, ...]


def entries(table: Table) -> list[list[Line]]:
    """The lines of each row: one, and below a measured row with published figures these and the differences."""
    return [list(_entry(table, row)) for row in _rows(table)]


def lines(table: Table) -> list[Line]:
    """All lines from top to bottom."""
    return [line for entry in entries(table) for line in entry]


def notes(table: Table) -> tuple[str, ...]:
    """What its marks and lines mean, and then its footnotes."""
    drawn = lines(table)
    kinds = {line.kind for line in drawn}
    told = []
    if Kind.PUBLISHED in kinds:
        told.append(f"published: the source's figure{'; not to be compared with these' * bool(table.stamp)}")
    if Kind.DIFFERENCE in kinds:
        told.append("difference: measured minus published")
    if Kind.CITED in kinds:
        told.append(f"{CITED_MARK} cited: the source's figures, not measured here and not ranked")
    marks = {cell.mark for line in drawn for cell in line.cells}
    if TIED_MARK in marks:
        told.append(f"{TIED_MARK} does not differ significantly from the best of its column")
    if UNCOUNTED_MARK in marks:
        told.append(f"{UNCOUNTED_MARK} only shown: does not count as best or second best of its column")
    return (*told, *table.footnotes)


def headings(table: Table, joint: str) -> list[str]:
    """The columns' names after those of their groups, on one line."""
    return [f"{column.group}{joint}{column.name}" if column.group else column.name for column in table.columns]


def one_line(text: str) -> str:
    """Text without line breaks and repeated spaces."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class _Row:
    """What a table has of one row, with what follows from the other rows."""

    name: str
    texts: Sequence[str]
    spreads: Sequence[str]
    ranks: Sequence[Rank | None]
    tied: Sequence[bool | None]
    uncounted: Sequence[bool | None]
    published: Sequence[float | None]
    differences: Sequence[float | None]


def _rows(table: Table) -> Iterator[_Row]:
    none = [[None] * len(table.columns)] * len(table.rows)
    grids = table.text(), table.spread_text(), table.ranks(), table.tied or none, table.uncounted or none
    for name, *row in zip(table.rows, *grids, table.published or none, table.differences(), strict=True):
        yield _Row(name, *row)


def _entry(table: Table, row: _Row) -> Iterator[Line]:
    published = _printed(table.columns, row.published)
    if row.name in table.cited:
        yield Line(Kind.CITED, row.name, published)
        return
    marks = (
        UNCOUNTED_MARK if uncounted else TIED_MARK if tied and rank != Rank.BEST else ""
        for uncounted, tied, rank in zip(row.uncounted, row.tied, row.ranks, strict=True)
    )
    cells = itertools.starmap(Cell, zip(row.texts, row.spreads, row.ranks, marks, strict=True))
    yield Line(Kind.MEASURED, row.name, tuple(cells))
    if _any(row.published):
        yield Line(Kind.PUBLISHED, Kind.PUBLISHED.value, published)
    if _any(row.differences):
        signed = [Column(column.name, format=f"+z{column.format.lstrip('+')}") for column in table.columns]
        yield Line(Kind.DIFFERENCE, Kind.DIFFERENCE.value, _printed(signed, row.differences))


def _printed(columns: Sequence[Column], values: Sequence[float | None]) -> tuple[Cell, ...]:
    return tuple(Cell(column.text(value)) for column, value in zip(columns, values, strict=True))


def _any(values: Iterable[float | None]) -> bool:
    return any(value is not None for value in values)
