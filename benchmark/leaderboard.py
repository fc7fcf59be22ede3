"""Leaderboards of score tables: detectors by test sets, one metric; and one set by manipulation."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from config.errors import InputError, unknown
from evaluation.metrics import ClassMetrics, Metrics, evaluate_scores, per_class
from evaluation.scores import ScoreRecord, read_scores
from evaluation.tables import Column, Table

SCORES = "scores.parquet"
TITLES = {"auc": "AUC", "eer": "EER", "ap": "AP", "acc": "acc."}
METRICS = [field.name for field in fields(Metrics) if field.name.partition("_")[2] in TITLES]


def leaderboard(paths: Sequence[Path], metric: str = "frame_auc") -> Table:
    """A row for each run, a column for each test set.

    Args:
        paths: score tables, or folders that hold some at any depth.
        metric: a field of Metrics, such as frame_auc or video_eer.

    Raises:
        InputError: an unknown metric, no score table, or two of the same run on the same set.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    values: dict[str, dict[str, float | None]] = {}
    notes: set[str] = set()
    for path in _score_files(paths):
        scores, record = read_scores(path), ScoreRecord.read(ScoreRecord.beside(path))
        row = values.setdefault(_run_name(path, record), {})
        column = path.parent.name
        if column in row:
            raise InputError(f"{path}: {record.detector} on {column} is given twice")
        metrics = evaluate_scores(scores)
        row[column] = getattr(metrics, metric)
        notes |= {*record.notes, *([f"{column}: {metrics.note}"] if metrics.note else [])}
        notes.add(f"protocol {record.protocol} v{record.protocol_version}")
    sets = sorted({name for row in values.values() for name in row})
    direction = not metric.endswith("_eer")
    table = Table(
        caption=f"{metric_title(metric)} by test set",
        row_header="Detector",
        rows=tuple(values),
        columns=tuple(Column(name, direction, group=metric_title(metric)) for name in sets),
        values=tuple(tuple(row.get(name) for name in sets) for row in values.values()),
        footnotes=tuple(sorted(notes)),
    )
    return table.mean_column("Avg.", group=metric_title(metric)) if len(sets) > 1 else table


def summary_table(results: Iterable[tuple[str, Metrics]], footnotes: Sequence[str] = ()) -> Table:
    """All metrics of one detector: a row for each test set, with counts of what was scored.

    Args:
        results: test sets and their metrics.
        footnotes: what a reader must know beside the figures.
    """
    given = list(results)
    counted = {"frames": "n_frames", "videos": "n_videos", "no face": "n_faceless_frames"}
    columns = [Column(TITLES[name.partition("_")[2]], None, group=name.partition("_")[0]) for name in METRICS]
    columns += [Column(name, None, group="count", format=".0f") for name in counted]
    notes = [f"{name}: {metrics.note}" for name, metrics in given if metrics.note]
    return Table(
        caption="All metrics by test set",
        row_header="Test set",
        rows=tuple(name for name, _ in given),
        columns=tuple(columns),
        values=tuple(
            tuple(getattr(metrics, name) for name in METRICS)
            + tuple(float(getattr(metrics, field)) for field in counted.values())
            for _, metrics in given
        ),
        footnotes=(*notes, *footnotes),
    )


def manipulation_table(path: Path, footnotes: Sequence[str] = ()) -> Table:
    """Frame and video AUC of each manipulation of a set against all of its reals.

    Args:
        path: a score table.
        footnotes: what a reader must know beside the figures.
    """
    scores = read_scores(path)
    classes: list[ClassMetrics] = per_class(scores)
    chosen = ("frame_auc", "video_auc", "frame_eer")
    return Table(
        caption=f"{scores['dataset'].iloc[0]}: each manipulation against all reals",
        row_header="Manipulation",
        rows=tuple(entry.method for entry in classes),
        columns=tuple(Column(metric_title(name), None) for name in chosen),
        values=tuple(tuple(getattr(entry.metrics, name) for name in chosen) for entry in classes),
        footnotes=tuple(footnotes),
    )


def metric_title(metric: str) -> str:
    """frame_auc -> "frame AUC"."""
    level, _, name = metric.partition("_")
    return f"{level} {TITLES[name]}"


def _score_files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}")
        inside = sorted(path.rglob(SCORES)) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"no {SCORES} below {path}; make some with 'assay evaluate'")
        found += inside
    return found


def _run_name(path: Path, record: ScoreRecord) -> str:
    """The detector, and the run's folder when that says something else."""
    run = path.parent.parent.parent.name
    return record.detector if run in {record.detector, "", "runs"} else f"{record.detector} ({run})"
