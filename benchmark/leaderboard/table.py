"""A leaderboard as a table."""

from collections.abc import Iterator, Sequence

from benchmark.leaderboard.board import Leaderboard, Selection, Standing
from benchmark.report.provenance import of_which_runs
from benchmark.score_tables import bootstrap_note, direction, metric_title, record_notes
from config.load import config_names, load_config
from config.schema import DatasetConfig
from evaluation.tables import Column, Spread, Table


def leaderboard_table(board: Leaderboard, *, intervals: bool = False) -> Table:
    """A row for each run: its rank, its figures, their mean, and what a reader must know of its training.

    Values that do not count are marked: of test sets that are not foreign to the training, and of runs that cannot be
    ranked whatever their figures are.

    Args:
        board: the leaderboard.
        intervals: show the intervals that it has.
    """
    title, higher = metric_title(board.metric), direction(board.metric)
    spreads: tuple[tuple[Spread | None, ...], ...] = ()
    if intervals:
        spreads = tuple((None, *_intervals(row, board.test_sets), None, None, None, None) for row in board.rows)
    cautions = _cautions(board.test_sets)
    said = {f"{name}: {note}" for note, names in cautions.items() for name in names}
    return Table(
        caption=f"{title} by test set, ranked",
        row_header="Detector",
        rows=tuple(row.name for row in board.rows),
        columns=(
            Column("rank", None, format=".0f"),
            *(Column(name, higher, group=title) for name in board.test_sets),
            Column("mean", higher, group=title),
            Column(f"coverage, of {len(board.measurable)}", None, format=".0f"),
            Column("contamination", None, is_words=True),
            Column("selection", None, is_words=True),
        ),
        values=tuple(
            (row.rank, *_values(row, board.test_sets), row.mean, row.covered, None, None) for row in board.rows
        ),
        footnotes=tuple(note for note in _footnotes(board, intervals) if note not in said),
        spreads=spreads,
        stamp="; ".join(f"{', '.join(names)}: {note}" for note, names in cautions.items()),
        reasons=tuple(
            ("", *_reasons(row, board.test_sets), "", "", _contamination(row), str(row.training.selection))
            for row in board.rows
        ),
        uncounted=tuple(
            (
                False,
                *(_never_counts(row) or name in row.contamination for name in board.test_sets),
                row.mean is not None and row.rank is None,
                *(False, False, False),
            )
            for row in board.rows
        ),
    )


def _cautions(test_sets: Sequence[str]) -> dict[str, list[str]]:
    """What a reader must know before a ranking, as that figures on a set rank nothing, and of which sets."""
    cautions: dict[str, list[str]] = {}
    for name in test_sets:
        if name in config_names(DatasetConfig) and (note := load_config(DatasetConfig, name).note):
            cautions.setdefault(note, []).append(name)
    return cautions


def _values(row: Standing, test_sets: Sequence[str]) -> Iterator[float | None]:
    for name in test_sets:
        figure = row.on(name)
        yield figure.value if figure else None


def _intervals(row: Standing, test_sets: Sequence[str]) -> Iterator[Spread | None]:
    for name in test_sets:
        figure = row.on(name)
        yield figure.interval if figure else None


def _reasons(row: Standing, test_sets: Sequence[str]) -> Iterator[str]:
    for name in test_sets:
        figure = row.on(name)
        yield figure.reason if figure else ""


def _contamination(row: Standing) -> str:
    return "unknown" if row.training.sets is None else ", ".join(row.contamination) or "none"


def _never_counts(row: Standing) -> bool:
    return row.training.sets is None or row.training.selection is Selection.TEST


def _footnotes(board: Leaderboard, intervals: bool) -> Iterator[str]:
    if board.ranked_on:
        sets = ", ".join(board.ranked_on)
        yield f"rank and mean: over {sets}, all that is foreign to what most runs were trained on"
    else:
        yield "no ranking: no test set is foreign to a training that is known"
    yield from (f"{row.name} is not ranked: {row.unranked}" for row in board.rows if row.unranked)
    yield from of_which_runs({row.name: set(_about_training(row)) for row in board.rows})
    if any(figure.reason == "one class" for row in board.rows for figure in row.figures):
        yield "one class: all videos of the test set that have a face are real, or all are fake"
    for name in board.test_sets:
        manifests = {figure.record.manifest_sha256 for row in board.rows if (figure := row.on(name))}
        if len(manifests) > 1:
            yield f"{name}: the same frames, but faces of {len(manifests)} manifests (as of several profiles)"
    if intervals and board.resamples:
        yield bootstrap_note(board.resamples, board.seed)
    yield from sorted({note for row in board.rows for figure in row.figures for note in record_notes(figure.record)})


def _about_training(row: Standing) -> Iterator[str]:
    for name, by in row.contamination.items():
        yield f"trained on {name}" if name in by else f"trained on {', '.join(by)}, which {name} shares videos with"
    if row.training.declared:
        yield f"trained on {', '.join(row.training.sets or ())}, as declared"
