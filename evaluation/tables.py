"""The one table object that every leaderboard is, before it is drawn (evaluation/render.py)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from config.errors import unknown

NO_VALUE = "–"


class Rank(Enum):
    """Where a value stands in its column."""

    BEST = "best"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Interval:
    """The interval that a value is in with 95 % confidence."""

    low: float
    high: float

    def named(self) -> dict[str, float]:
        """Its numbers, by what they are."""
        return {"low": self.low, "high": self.high}

    def text(self, form: str) -> str:
        """As printed beside the value: "[0.892, 0.953]"."""
        return f"[{format(self.low, form)}, {format(self.high, form)}]"


@dataclass(frozen=True, slots=True)
class Deviation:
    """The standard deviation of what a value is the mean of."""

    value: float

    def named(self) -> dict[str, float]:
        """Its number, by what it is."""
        return {"deviation": self.value}

    def text(self, form: str) -> str:
        """As printed beside the value: "± 0.012"."""
        return f"± {format(self.value, form)}"


Spread = Interval | Deviation
"""What may stand beside a value and say how sure it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        higher_is_better: direction of the ranking; None for a column that is not ranked (counts, differences).
        group: heading shared with its neighbours of the same group ("frame AUC"); empty for none.
        format: how a value is printed, as in `format(value, ".4f")`.
        spread_format: how the numbers of a spread beside it are printed.
    """

    name: str
    higher_is_better: bool | None = True
    group: str = ""
    format: str = ".4f"
    spread_format: str = ".3f"

    def text(self, value: float | None) -> str:
        """The value as printed; a dash if there is none."""
        return NO_VALUE if value is None else format(value, self.format)


@dataclass(frozen=True, slots=True)
class Table:
    """Named rows of numbers under named columns.

    Attributes:
        caption: what the table shows, in a sentence.
        row_header: what the rows are ("Detector").
        rows: (R,) their names.
        columns: (C,) the columns, those of a group side by side.
        values: R tuples of C numbers; None where there is none.
        footnotes: what a reader must know beside the numbers: protocol, substitutes, coverage.
        spreads: R tuples of C intervals or deviations, None where a value has none; empty if no value has.

    Raises:
        ValueError: the numbers or spreads do not fill rows and columns, a number is not finite, or a group is torn
            apart.
    """

    caption: str
    row_header: str
    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    values: tuple[tuple[float | None, ...], ...]
    footnotes: tuple[str, ...] = ()
    spreads: tuple[tuple[Spread | None, ...], ...] = ()

    def __post_init__(self) -> None:
        for kind, grid in (("values", self.values), ("spreads", self.spreads or self.values)):
            shape = [len(row) for row in grid]
            if shape != [len(self.columns)] * len(self.rows):
                wanted = f"{len(self.rows)} rows of {len(self.columns)} columns"
                raise ValueError(f"{wanted} do not hold rows of {shape} {kind}")
        if any(value is not None and not math.isfinite(value) for row in self.values for value in row):
            raise ValueError("a table holds finite numbers; None stands for no value")
        names = [name for name, _ in self.groups() if name]
        if len(names) != len(set(names)):
            raise ValueError(f"the columns of a group must stand side by side: {names}")

    def groups(self) -> list[tuple[str, int]]:
        """The group headings from left to right, each with its number of columns."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans

    def in_parts(self, most: int) -> list["Table"]:
        """The same in tables of at most so many columns; no group is torn apart that fits into one.

        Args:
            most: how many; the parts of more are numbered in their captions, and the last has the footnotes.
        """
        parts: list[list[int]] = [[]]
        start = 0
        for _, width in self.groups():
            if parts[-1] and len(parts[-1]) + width > most:
                parts.append([])
            for index in range(start, start + width):
                if len(parts[-1]) == most:
                    parts.append([])
                parts[-1].append(index)
            start += width
        if len(parts) == 1:
            return [self]
        last = len(parts)
        return [
            replace(
                self,
                caption=f"{self.caption} ({number} of {last})",
                columns=tuple(self.columns[index] for index in part),
                values=tuple(tuple(row[index] for index in part) for row in self.values),
                footnotes=self.footnotes if number == last else (),
                spreads=tuple(tuple(row[index] for index in part) for row in self.spreads),
            )
            for number, part in enumerate(parts, 1)
        ]

    def text(self) -> list[list[str]]:
        """All values as printed, row by row."""
        return [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.values]

    def spread_text(self) -> list[list[str]]:
        """All spreads as printed, row by row; an empty text where there is none."""
        return [
            [
                spread.text(column.spread_format) if spread else ""
                for column, spread in zip(self.columns, row, strict=True)
            ]
            for row in self.spreads or [[None] * len(self.columns)] * len(self.rows)
        ]

    def ranks(self) -> list[list[Rank | None]]:
        """Best and second best value of each column, row by row.

        Values that print alike share a rank, so that no reader wonders why one of two equal numbers is bold. A column
        with fewer than two values has nothing to rank.
        """
        by_column = [self._ranks_of(index) for index in range(len(self.columns))]
        return [[column[row] for column in by_column] for row in range(len(self.rows))]

    def _ranks_of(self, index: int) -> list[Rank | None]:
        column, values = self.columns[index], [row[index] for row in self.values]
        present = [value for value in values if value is not None]
        if column.higher_is_better is None or len(present) < 2:
            return [None] * len(values)
        in_order = sorted(present, reverse=column.higher_is_better)
        printed = list(dict.fromkeys(column.text(value) for value in in_order))
        rank_of = dict(zip(printed, Rank, strict=False))
        return [None if value is None else rank_of.get(column.text(value)) for value in values]

    def mean_column(self, name: str, group: str = "", over: Sequence[str] | None = None) -> "Table":
        """The same table with the mean over columns of a group added at the group's end.

        A row that lacks any of the values has no mean: an average over fewer test sets is another number, and usually
        an easier one. The mean has no spread.

        Args:
            name: heading of the new column ("Avg.").
            group: the group to average in.
            over: names of the columns to average; all of the group if not given.

        Raises:
            InputError: there is no such group, or no such column in it.
            ValueError: the columns differ in direction.
        """
        inside = {column.name: index for index, column in enumerate(self.columns) if column.group == group}
        if not inside:
            raise unknown("column group", group, {column.group for column in self.columns})
        for wanted in over or ():
            if wanted not in inside:
                raise unknown("column", wanted, inside)
        chosen = [inside[wanted] for wanted in over] if over else list(inside.values())
        first = self.columns[chosen[0]]
        if any(self.columns[index].higher_is_better != first.higher_is_better for index in chosen):
            raise ValueError(f"columns of different direction have no common mean: {over or list(inside)}")
        end = max(inside.values()) + 1
        values = ((*row[:end], _mean([row[index] for index in chosen]), *row[end:]) for row in self.values)
        spreads = ((*row[:end], None, *row[end:]) for row in self.spreads)
        columns = (*self.columns[:end], replace(first, name=name), *self.columns[end:])
        return replace(self, columns=columns, values=tuple(values), spreads=tuple(spreads))


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present and len(present) == len(values) else None
