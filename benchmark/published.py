"""`assay published`: what ships of published figures, and each table as its source prints it. Imports no torch."""

from collections.abc import Iterator

from benchmark.score_tables import TITLES, direction
from evaluation.published import PublishedFigure, PublishedSource, PublishedTable, read_source, source_names
from evaluation.tables import Column, Table

_MORE_TITLES = {"mpd": "mPD", "auc_gain": "gain of AUC"}
_COUNTS = ("top3_count", "channels_before", "channels_after")


def listing() -> Iterator[tuple[str, str]]:
    """Each source with its citation, and a line with its tables."""
    for source in map(read_source, source_names()):
        yield source.name, source.citation
        yield "", f"  tables: {', '.join(source.tables)}"


def published_tables(source: PublishedSource) -> list[Table]:
    """All tables of a source."""
    return [published_table(table, source.citation) for table in source.tables.values()]


def published_table(table: PublishedTable, citation: str) -> Table:
    """A table as its source prints it, shares as fractions; footnotes say which means are not those of their row.

    Args:
        table: the table.
        citation: where it is.
    """
    kinds = list(dict.fromkeys((figure.level, figure.metric) for figure in table.figures))
    places = [
        (kind, heading)
        for kind in kinds
        for heading in dict.fromkeys(one.heading for one in table.figures if (one.level, one.metric) == kind)
    ]
    figures = {(one.row, ((one.level, one.metric), one.heading)): one for one in table.figures}
    return Table(
        caption=f"{table.source}, {table.name}, as published",
        row_header="Row",
        rows=tuple(table.rows),
        columns=tuple(_column(place, [one for (_, at), one in figures.items() if at == place]) for place in places),
        values=tuple(
            tuple(float(figures[row, place].value) if (row, place) in figures else None for place in places)
            for row in table.rows
        ),
        footnotes=(citation, *map(str, (one for one in table.averages() if one.disagrees)), *_notes(table)),
    )


def _column(place: tuple[tuple[str, str], str], figures: list[PublishedFigure]) -> Column:
    """A column, whose figures are printed with the digits that the source has."""
    (level, metric), heading = place
    title = {**TITLES, **_MORE_TITLES}.get(metric, metric.replace("_", " "))
    higher = None if metric in _COUNTS else direction(metric)
    form = f".{max(figure.decimals for figure in figures)}f"
    return Column(heading, higher, f"{level} {title}".strip(), form)


def _notes(table: PublishedTable) -> Iterator[str]:
    """What is said of figures, each once, with their rows; what is said of all of them without."""
    for kind in ("protocol", "note"):
        said: dict[str, dict[str, None]] = {}
        for figure in table.figures:
            said.setdefault(getattr(figure, kind), {})[figure.row] = None
        for text, rows in said.items():
            if text:
                yield text if len(rows) == len(table.rows) else f"{', '.join(rows)}: {text}"
