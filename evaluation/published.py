"""Figures as papers print them, results/published/*.csv, and their means recomputed."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import get_args

from config.errors import InputError, unknown
from config.published import Level

FOLDER = Path(__file__).resolve().parent.parent / "results" / "published"
SOURCES = "sources.csv"
AVERAGES = "averages.csv"
BETWEEN_HEADINGS = "; "


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """A figure as its source prints it.

    Attributes:
        table: "Table 1".
        row: its row, mostly a detector.
        train_set: what that was trained on, as far as it is said.
        test_set: heading of its column.
        perturbation: under what it was measured; empty for clean media.
        level: of frames, videos, both, or not said; empty where that means nothing.
        metric: "auc", "eer", "mpd", ...
        value: with the digits that are printed; a share is a fraction, also where the source has per cent.
        mean_of: headings of what it is a mean of; empty for a measurement.
        protocol: how it was measured, as far as it is said.
        note: what a reader must know beside it.
    """

    table: str
    row: str
    train_set: str
    test_set: str
    perturbation: str
    level: str
    metric: str
    value: Decimal
    mean_of: tuple[str, ...]
    protocol: str
    note: str

    @property
    def heading(self) -> str:
        """Its column: the test set, and the perturbation if there is one."""
        return f"{self.test_set}, {self.perturbation}" if self.perturbation else self.test_set

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What no other figure of the source is of: table, row, column, level, metric."""
        return self.table, self.row, self.heading, self.level, self.metric

    @property
    def decimals(self) -> int:
        """How many of its digits are printed after the point."""
        return max(0, -int(self.value.as_tuple().exponent))

    @property
    def rounding(self) -> Fraction:
        """How far the printed figure may be from the measured one: half a unit of the last digit."""
        return Fraction(1, 2 * 10**self.decimals)


@dataclass(frozen=True, slots=True)
class Average:
    """A printed mean, and the mean of the figures that it is of.

    Attributes:
        printed: as the source has it.
        recomputed: of the source's figures; None if it prints not all of them.
        slack: how far apart both may be because all of the figures are rounded.
    """

    printed: PublishedFigure
    recomputed: Fraction | None
    slack: Fraction

    @property
    def disagrees(self) -> bool:
        """Whether they are further apart than rounding can bring them."""
        return self.recomputed is not None and abs(Fraction(self.printed.value) - self.recomputed) > self.slack

    def __str__(self) -> str:
        figure, again = self.printed, float(self.recomputed or 0)
        return f"{figure.heading} of {figure.row} is printed as {figure.value}, its figures have {again:.5f}"


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table of a source.

    Attributes:
        source: what the source is called: "ProDet (NeurIPS 2024)".
        name: "Table 1".
        figures: row by row as they are printed.
    """

    source: str
    name: str
    figures: tuple[PublishedFigure, ...]

    @property
    def rows(self) -> list[str]:
        """Names of its rows, from above."""
        return list(dict.fromkeys(figure.row for figure in self.figures))

    def averages(self) -> Iterator[Average]:
        """Its printed means, recomputed.

        A mean of several levels is over figures of any; one of a level over those of the same.
        """
        for mean in self.figures:
            alike = [one for one in self.figures if (one.row, one.metric) == (mean.row, mean.metric)]
            found = {one.heading: one for one in alike if mean.level in (one.level, "mixed")}
            parts = [found[heading] for heading in mean.mean_of if heading in found]
            if mean.mean_of and len(parts) < len(mean.mean_of):
                yield Average(mean, None, Fraction(0))
            elif mean.mean_of:
                recomputed = sum((Fraction(part.value) for part in parts), Fraction(0)) / len(parts)
                slack = sum((part.rounding for part in parts), Fraction(0)) / len(parts) + mean.rounding
                yield Average(mean, recomputed, slack)


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A paper, or another place where figures are published.

    Attributes:
        name: of its file.
        title: what tables call it.
        citation: where it is.
        tables: by name, in its order.
    """

    name: str
    title: str
    citation: str
    tables: dict[str, PublishedTable]

    def table(self, name: str) -> PublishedTable:
        """One of its tables.

        Raises:
            InputError: it has none of that name.
        """
        if name not in self.tables:
            raise unknown(f"table of {self.name}", name, self.tables)
        return self.tables[name]


def read_source(name: str, folder: Path = FOLDER) -> PublishedSource:
    """All figures of a source.

    Args:
        name: as in `sources.csv`.
        folder: of the CSV files.

    Raises:
        InputError: there is no such source, or its file holds what is no figure.
    """
    known = {line["name"]: line for line in _lines(folder / SOURCES, ("name", "title", "citation"))}
    if name not in known:
        raise unknown("published source", name, known)
    title = known[name]["title"]
    path = folder / f"{name}.csv"
    figures: dict[tuple[str, ...], PublishedFigure] = {}
    for number, line in enumerate(_lines(path, PublishedFigure.__slots__), 2):
        figure = _figure(line, f"{path}, line {number}")
        if figure.key in figures:
            raise InputError(f"{path}, line {number}: there is another figure of {', '.join(figure.key)}")
        figures[figure.key] = figure
    tables = {
        table: PublishedTable(title, table, tuple(one for one in figures.values() if one.table == table))
        for table in dict.fromkeys(figure.table for figure in figures.values())
    }
    return PublishedSource(name, title, known[name]["citation"], tables)


def source_names(folder: Path = FOLDER) -> list[str]:
    """All sources, in the order of `sources.csv`; errors as `read_source`."""
    return [line["name"] for line in _lines(folder / SOURCES, ("name", "title", "citation"))]


def averages_csv(folder: Path = FOLDER) -> str:
    """All printed means of all sources, each with what its figures have; errors as `read_source`."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(("source", "table", "row", "heading", "level", "metric", "printed", "recomputed", "disagrees"))
    for source in (read_source(name, folder) for name in source_names(folder)):
        for average in (one for table in source.tables.values() for one in table.averages()):
            figure, again = average.printed, average.recomputed
            about = (figure.table, figure.row, figure.heading, figure.level, figure.metric, figure.value)
            recomputed = "" if again is None else f"{float(again):.{figure.decimals + 2}f}"
            write((source.name, *about, recomputed, "yes" if average.disagrees else ""))
    return out.getvalue()


def _lines(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a CSV file of just these columns."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if tuple(reader.fieldnames or ()) != tuple(columns):
        raise InputError(f"{path}: expected the columns {', '.join(columns)}")
    for number, line in enumerate(lines, 2):
        if None in line or None in line.values():
            raise InputError(f"{path}, line {number}: expected {len(columns)} values")
    return lines


def _figure(line: dict[str, str], where: str) -> PublishedFigure:
    try:
        value = Decimal(line["value"])
    except InvalidOperation:
        raise InputError(f"{where}: value: expected a number, not '{line['value']}'") from None
    if not value.is_finite():
        raise InputError(f"{where}: value: expected a finite number, not '{value}'")
    if line["level"] and line["level"] not in get_args(Level):
        raise unknown(f"level in {where}:", line["level"], get_args(Level))
    mean_of = tuple(line["mean_of"].split(BETWEEN_HEADINGS)) if line["mean_of"] else ()
    texts = {name: text for name, text in line.items() if name not in ("value", "mean_of")}
    return PublishedFigure(**texts, value=value, mean_of=mean_of)
