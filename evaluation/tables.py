"""The one table object that every leaderboard is, before it is drawn (evaluation/render.py)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

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
        is_words: whether it has words instead of numbers, which are the table's `reasons`.
    """

    name: str
    higher_is_better: bool | None = True
    group: str = ""
    format: str = ".4f"
    spread_format: str = ".3f"
    is_words: bool = False

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
        published: R tuples of C figures that a source prints, None where it prints none; empty if all are None.
        cited: names of the rows that are only cited: all their figures are published ones.
        stamp: what must be said before all else, such as that the figures are of a demo; published figures are then
            shown, but not compared with.
        tied: R tuples of C: whether a value does not differ significantly from the best of its column; None where that
            was not tested, as of the best itself; empty if nothing was.
        reasons: R tuples of C short words that are printed where there is no value, such as "one class"; empty texts
            where a dash says enough; empty if it does everywhere. A column of words has these alone.
        uncounted: R tuples of C: whether a value is only shown, not ranked, such as that of a test set that was trained
            on; empty if all count.

    Raises:
        ValueError: the numbers or what stands beside them do not fill rows and columns, a number is not finite, a group
            is torn apart, a cited row is not there or measured, a value has a reason not to be there, or a column of
            words has numbers.
    """

    caption: str
    row_header: str
    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    values: tuple[tuple[float | None, ...], ...]
    footnotes: tuple[str, ...] = ()
    spreads: tuple[tuple[Spread | None, ...], ...] = ()
    published: tuple[tuple[float | None, ...], ...] = ()
    cited: frozenset[str] = frozenset()
    stamp: str = ""
    tied: tuple[tuple[bool | None, ...], ...] = ()
    reasons: tuple[tuple[str, ...], ...] = ()
    uncounted: tuple[tuple[bool | None, ...], ...] = ()

    def __post_init__(self) -> None:
        for kind, grid in (("values", self.values), *((name, grid) for name, grid in self._beside() if grid)):
            shape = [len(row) for row in grid]
            if shape != [len(self.columns)] * len(self.rows):
                wanted = f"{len(self.rows)} rows of {len(self.columns)} columns"
                raise ValueError(f"{wanted} do not hold rows of {shape} {kind}")
        if any(value is not None and not math.isfinite(value) for row in self.values + self.published for value in row):
            raise ValueError("a table holds finite numbers; None stands for no value")
        names = [name for name, _ in self.groups() if name]
        if len(names) != len(set(names)):
            raise ValueError(f"the columns of a group must stand side by side: {names}")
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        if absent := self.cited.difference(self.rows):
            raise ValueError(f"rows that are cited are rows: {sorted(absent)}")
        for name, row in zip(self.rows, self.values, strict=True):
            if name in self.cited and any(value is not None for value in row):
                raise ValueError(f"a row that is cited has no values of its own: {name}")
        if any(
            value is not None and reason
            for row in zip(self.values, self.reasons or [[""] * len(self.columns)] * len(self.rows), strict=True)
            for value, reason in zip(*row, strict=True)
        ):
            raise ValueError("a value that is there has no reason not to be")
        for index, column in enumerate(self.columns):
            if column.is_words and (not self.reasons or any(row[index] is not None for row in self.values)):
                raise ValueError(f"a column of words has no numbers, and its words are reasons: {column.name}")

    def _beside(self) -> list[tuple[str, tuple[tuple[Any, ...], ...]]]:
        """The grids that may stand beside the values, by the names of their fields; empty where they do not."""
        return [(name, getattr(self, name)) for name in ("spreads", "published", "tied", "reasons", "uncounted")]

    def groups(self) -> list[tuple[str, int]]:
        """The group headings from left to right, each with its number of columns."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans

    def in_parts(self, most: float, widths: Sequence[float] = ()) -> list["Table"]:
        """The same in tables that are at most so wide; no group is torn apart that fits into one.

        Args:
            most: how many columns, or how wide they are together; a column that is wider stands alone. The parts of
                more are numbered in their captions, and the last has the footnotes.
            widths: (C,) of the columns; 1 each if not given.
        """
        wide = widths or [1.0] * len(self.columns)
        parts: list[list[int]] = [[]]
        room, start = most, 0
        for _, span in self.groups():
            group = range(start, start + span)
            if math.fsum(wide[index] for index in group) > room:
                parts, room = [*parts, []], most
            for index in group:
                if wide[index] > room:
                    parts, room = [*parts, []], most
                parts[-1].append(index)
                room -= wide[index]
            start += span
        parts = [part for part in parts if part] or [[]]
        if len(parts) == 1:
            return [self]
        last = len(parts)
        return [
            replace(
                self.part(range(len(self.rows)), part),
                caption=f"{self.caption} ({number} of {last})",
                footnotes=self.footnotes if number == last else (),
            )
            for number, part in enumerate(parts, 1)
        ]

    def part(self, rows: Sequence[int], columns: Sequence[int]) -> "Table":
        """The table of some rows and columns.

        Args:
            rows: their places, each once, in the order wanted.
            columns: likewise; those of a group side by side.
        """

        def chosen(grid: tuple[tuple[Any, ...], ...]) -> tuple[tuple[Any, ...], ...]:
            return tuple(tuple(grid[row][column] for column in columns) for row in rows if grid)

        names = tuple(self.rows[row] for row in rows)
        beside: dict[str, Any] = {name: chosen(grid) for name, grid in self._beside()}
        return replace(
            self,
            rows=names,
            columns=tuple(self.columns[column] for column in columns),
            values=chosen(self.values),
            cited=self.cited.intersection(names),
            **beside,
        )

    def differences(self) -> list[list[float | None]]:
        """Measured minus published, row by row; None where either is not there, and everywhere in a stamped table."""
        none: list[float | None] = [None] * len(self.columns)
        if self.stamp or not self.published:
            return [none] * len(self.rows)
        return [
            [None if here is None or there is None else here - there for here, there in zip(*row, strict=True)]
            for row in zip(self.values, self.published, strict=True)
        ]

    def text(self) -> list[list[str]]:
        """All values as printed, row by row; where there is none, why in a word or two, or a dash."""
        printed = [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.values]
        if not self.reasons:
            return printed
        return [
            [reason or text for text, reason in zip(*row, strict=True)]
            for row in zip(printed, self.reasons, strict=True)
        ]

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
        with fewer than two values that count has nothing to rank.
        """
        by_column = [self._ranks_of(index) for index in range(len(self.columns))]
        return [[column[row] for column in by_column] for row in range(len(self.rows))]

    def _ranks_of(self, index: int) -> list[Rank | None]:
        column, values = self.columns[index], [row[index] for row in self.values]
        if self.uncounted:
            values = [None if row[index] else value for value, row in zip(values, self.uncounted, strict=True)]
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
        an easier one. The mean has no spread, and no published figure: what a source prints as its mean is its own.

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
        columns = (*self.columns[:end], replace(first, name=name), *self.columns[end:])
        values = tuple((*row[:end], _mean([row[index] for index in chosen]), *row[end:]) for row in self.values)
        beside: dict[str, Any] = {
            name: tuple((*row[:end], "" if name == "reasons" else None, *row[end:]) for row in grid)
            for name, grid in self._beside()
        }
        return replace(self, columns=columns, values=values, **beside)


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present and len(present) == len(values) else None
