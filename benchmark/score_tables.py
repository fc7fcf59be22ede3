"""Tables of score files: detectors by test sets, one detector by metric or by manipulation, two detectors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmark.places import SCORES, files_below, scores_path
from benchmark.run_names import run_name
from benchmark.samples import other_samples_note, samples_mark, samples_of
from config.errors import InputError, unknown
from evaluation.bootstrap import RESAMPLES, bootstrap
from evaluation.comparison import compare_auc, delong_test, pair_scores
from evaluation.measurement import Measurement
from evaluation.metrics import METRICS, ClassMetrics, Thresholds, choose_thresholds, evaluate_scores, per_class
from evaluation.protocol import Protocol
from evaluation.scores import ScoreRecord, read_scores
from evaluation.tables import Column, Interval, Spread, Table

TITLES = {
    "auc": "AUC",
    "eer": "EER",
    "ap": "AP",
    "acc": "acc.",
    "ece": "ECE",
    "brier": "Brier",
    "tpr_at_1pct": "TPR@1%",
    "fpr_at_1pct": "FPR@1%",
    "tpr_at_5pct": "TPR@5%",
    "fpr_at_5pct": "FPR@5%",
}
_DISTANCE_TITLES = {"mpd": "mPD", "relative_mpd": "relative mPD"}
_BETTER_WHEN_LOW = ("eer", "ece", "brier", "mpd")
MAKE_SCORES = "assay evaluate"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one score table says of one metric.

    Attributes:
        path: the score table.
        record: how it came about.
        value: the metric; None if it has none.
        interval: its interval, if it was asked for.
        notes: what a reader must know beside the value.
        samples: the `samples_mark` of what it is of.
    """

    path: Path
    record: ScoreRecord
    value: float | None
    interval: Interval | None
    notes: tuple[str, ...]
    samples: str

    @property
    def test_set(self) -> str:
        """The test set: the folder that the score table is in."""
        return self.path.parent.name

    @property
    def run(self) -> str:
        """The row of the table, if each run has its own."""
        return run_name(self.path, self.record)


def runs_table(
    paths: Sequence[Path],
    metric: str = "frame_auc",
    *,
    intervals: bool = False,
    threshold_on: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Table:
    """A row for each run, a column for each test set.

    Args:
        paths: score tables, or folders that hold some of test splits at any depth.
        metric: a field of Metrics, such as frame_auc or video_eer.
        intervals: show the 95 % interval beside each value.
        threshold_on: data sets on whose val scores of the same run the thresholds of TPR and FPR are chosen.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: an unknown metric, no score table, or two of the same run on the same set; no val scores.
    """
    cells = read_cells(paths, metric, intervals=intervals, threshold_on=threshold_on, resamples=resamples, seed=seed)
    by_run: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        row = by_run.setdefault(cell.run, {})
        if cell.test_set in row:
            raise InputError(f"{cell.path}: {cell.record.detector} on {cell.test_set} is given twice")
        row[cell.test_set] = cell
    sets = sorted({cell.test_set for cell in cells})
    shown: dict[str, dict[str, tuple[float | None, Spread | None]]] = {
        run: {name: (cell.value, cell.interval) for name, cell in row.items()} for run, row in by_run.items()
    }
    notes = {note for cell in cells for note in cell.notes}
    for name in sets:
        notes.update(other_samples_note(name, [(run, row[name].samples) for run, row in by_run.items() if name in row]))
    if intervals:
        notes.add(bootstrap_note(resamples, seed))
    table = metric_table(metric, sets, shown, sorted(notes))
    return table.mean_column("Avg.", group=metric_title(metric)) if len(sets) > 1 else table


def metric_table(
    metric: str,
    sets: Sequence[str],
    rows: dict[str, dict[str, tuple[float | None, Spread | None]]],
    footnotes: Sequence[str],
) -> Table:
    """The table of a metric from the value and spread of each row on each test set."""
    title = metric_title(metric)
    filled = [[row.get(name, (None, None)) for name in sets] for row in rows.values()]
    has_spread = any(spread for row in filled for _, spread in row)
    return Table(
        caption=f"{title} by test set",
        row_header="Detector",
        rows=tuple(rows),
        columns=tuple(Column(name, direction(metric), group=title) for name in sets),
        values=tuple(tuple(value for value, _ in row) for row in filled),
        footnotes=tuple(footnotes),
        spreads=tuple(tuple(spread for _, spread in row) for row in filled) if has_spread else (),
    )


def read_cells(
    paths: Sequence[Path],
    metric: str,
    *,
    intervals: bool = False,
    threshold_on: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Cell]:
    """One metric of all score tables; arguments and errors as for `runs_table`."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    cells = []
    for path, record, scores in read_tables(paths):
        thresholds = thresholds_beside(path, record, threshold_on)
        metrics = evaluate_scores(scores, thresholds)
        notes = record_notes(record)
        notes += (f"{path.parent.name}: {metrics.note}",) if metrics.note else ()
        notes += (metrics.threshold_note,) if metric.endswith("pct") else ()
        drawn = bootstrap(scores, [metric], thresholds, resamples=resamples, seed=seed) if intervals else None
        interval = drawn.interval(metric) if drawn else None
        cells.append(Cell(path, record, getattr(metrics, metric), interval, notes, samples_mark(samples_of(scores))))
    return cells


def read_tables(paths: Sequence[Path]) -> Iterator[tuple[Path, ScoreRecord, pd.DataFrame]]:
    """Score tables with their records, as their protocol's metrics take them, one after the other.

    Args:
        paths: score tables, or folders that hold some of test splits at any depth.

    Raises:
        InputError: there is none, or a table or record cannot be read.
    """
    found = False
    for path in files_below(paths, SCORES, MAKE_SCORES):
        record, scores = read_table(path)
        if record.suite is not None:
            raise InputError(f"{path} holds scores under {record.suite.name}; see 'assay explain robustness'")
        if path in paths or (scores["split"] == "test").all():
            found = True
            yield path, record, scores
    if not found:
        raise InputError(
            f"no test scores below {', '.join(map(str, paths))}; name the {SCORES} of another split itself"
        )


def read_table(path: Path) -> tuple[ScoreRecord, pd.DataFrame]:
    """The record of a score table, perturbed or not, and its rows, as its protocol's metrics take them.

    Raises:
        InputError: either cannot be read.
    """
    record = ScoreRecord.read(ScoreRecord.beside(path))
    return record, rows_of(path, record)


def rows_of(path: Path, record: ScoreRecord) -> pd.DataFrame:
    """The rows of a score table, perturbed or not, as the protocol's metrics of its record take them.

    Raises:
        InputError: it cannot be read, is not what its record says, or there is no such protocol.
    """
    scores = read_scores(path)
    if (videos := scores["video_id"].nunique()) != record.n_videos:
        raise InputError(f"{path} does not belong to its record: it holds {videos} videos, not {record.n_videos}")
    return Protocol.parse(record.protocol).view(record.with_rule(scores))


def summary_table(results: Iterable[tuple[str, Measurement]], footnotes: Sequence[str] = ()) -> Table:
    """The metrics of one detector that everybody reports: a row for each test set, with counts and the AUCs' intervals.

    Args:
        results: test sets and their measurements.
        footnotes: what a reader must know beside the figures.
    """
    given = list(results)
    counted = {"frames": "n_frames", "videos": "n_videos", "no face": "n_faceless_frames"}
    names = [f"{level}_{kind}" for level in ("frame", "video") for kind in ("auc", "eer", "ap", "acc")]
    columns = [Column(name, None, group="count", format=".0f") for name in counted]
    table = _metrics_table("Metrics by test set", given, names, ("frame_auc", "video_auc"))
    return replace(
        table,
        columns=(*table.columns, *columns),
        values=tuple(
            (*row, *(float(getattr(measured.metrics, field)) for field in counted.values()))
            for row, (_, measured) in zip(table.values, given, strict=True)
        ),
        spreads=tuple((*row, *(None for _ in counted)) for row in table.spreads),
        footnotes=(
            *(f"{name}: {measured.metrics.note}" for name, measured in given if measured.metrics.note),
            *sorted({bootstrap_note(measured.resamples, measured.seed) for _, measured in given if measured.intervals}),
            *footnotes,
        ),
    )


def calibration_table(results: Iterable[tuple[str, Measurement]]) -> Table:
    """What depends on the scores themselves, not on ranks: ECE, Brier score, and rates at thresholds chosen on val.

    Args:
        results: test sets and their measurements.
    """
    given = list(results)
    rates = any(measured.thresholds for _, measured in given)
    kinds = [kind for kind in TITLES if kind in ("ece", "brier") or (rates and kind.endswith("pct"))]
    names = [f"{level}_{kind}" for level in ("frame", "video") for kind in kinds]
    table = _metrics_table("Calibration and operating points by test set", given, names)
    return replace(table, footnotes=tuple(sorted({measured.metrics.threshold_note for _, measured in given})))


def manipulation_table(path: Path, footnotes: Sequence[str] = ()) -> Table:
    """Frame and video AUC of each manipulation of a set against all of its reals.

    Args:
        path: a score table.
        footnotes: what a reader must know beside the figures.
    """
    scores = ScoreRecord.read(ScoreRecord.beside(path)).with_rule(read_scores(path))
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


def comparison_table(
    first: Path, second: Path, metric: str = "frame_auc", *, resamples: int = RESAMPLES, seed: int = 0
) -> Table:
    """The AUCs of two detectors on the same samples and their difference, with intervals and p-values.

    Args:
        first: a score table, or a folder that holds one.
        second: likewise.
        metric: frame_auc or video_auc.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: no score table or several, or as for `pair_scores` and `compare_auc`.
    """
    paths = [_one_score_file(path) for path in (first, second)]
    records = [ScoreRecord.read(ScoreRecord.beside(path)) for path in paths]
    tables = [record.with_rule(read_scores(path)) for record, path in zip(records, paths, strict=True)]
    one, other = pair_scores(*tables)
    found = compare_auc(one, other, metric, resamples=resamples, seed=seed)
    on_videos = metric == "video_auc"
    delong = delong_test(one.video_labels, one.video_scores, other.video_scores).p if on_videos else None
    runs = [run_name(path, record) for path, record in zip(paths, records, strict=True)]
    left_out = one.n_faceless_frames
    notes = sorted({note for record in records for note in record_notes(record)})
    notes += [bootstrap_note(resamples, seed) + ", the same resampled videos for both"]
    notes += [] if on_videos else ["DeLong's test takes samples to be independent, which frames are not: see video_auc"]
    notes += [f"{left_out} frames without a face in either are left out of both"] if left_out else []
    notes += [one.note] if one.note else []
    return Table(
        caption=f"{metric_title(metric)} of two detectors on {paths[0].parent.name}",
        row_header="Detector",
        rows=(*(runs if runs[0] != runs[1] else map(str, paths)), "first − second"),
        columns=(
            Column(metric_title(metric), None),
            Column("p, bootstrap", None, format=".2g"),
            Column("p, DeLong", None, format=".2g"),
        ),
        values=((found.first, None, None), (found.second, None, None), (found.difference, found.p, delong)),
        footnotes=tuple(notes),
        spreads=tuple(
            (interval, None, None)
            for interval in (found.first_interval, found.second_interval, found.difference_interval)
        ),
    )


def thresholds_beside(path: Path, record: ScoreRecord, datasets: Sequence[str]) -> Thresholds | None:
    """Thresholds from the val scores of some data sets in the same run; None if no data set is named.

    Arguments and errors as for `val_scores_beside`, or errors as for `choose_thresholds`.
    """
    return choose_thresholds(val_scores_beside(path, record, datasets)) if datasets else None


def val_scores_beside(path: Path, record: ScoreRecord, datasets: Sequence[str]) -> pd.DataFrame:
    """The val scores of some data sets in the same run, as the protocol's metrics take them.

    Args:
        path: score table of a test set.
        record: its record.
        datasets: one or several, that the same weights were scored on in split val.

    Raises:
        InputError: there are no such val scores, or they are of other weights.
    """
    tables = []
    for name in datasets:
        val = scores_path(path.parent.parent, name, "val")
        if not val.is_file():
            raise InputError(f"no val scores at {val}; make them with 'assay evaluate ... --threshold-on {name}'")
        made = ScoreRecord.read(ScoreRecord.beside(val))
        if made.weights_sha256 != record.weights_sha256:
            raise InputError(f"{val} holds scores of other weights than {path}")
        tables.append(Protocol.parse(record.protocol).view(made.with_rule(read_scores(val))))
    return pd.concat(tables, ignore_index=True)


def metric_title(metric: str) -> str:
    """frame_auc -> "frame AUC"."""
    level, _, name = metric.partition("_")
    return _DISTANCE_TITLES.get(metric) or f"{level} {TITLES[name]}"


def direction(metric: str) -> bool | None:
    """Whether a higher value of a metric is better; None for one that ranks nothing."""
    return None if "fpr" in metric else metric.rpartition("_")[2] not in _BETTER_WHEN_LOW


def _metrics_table(
    caption: str, given: Sequence[tuple[str, Measurement]], names: Sequence[str], sure: Sequence[str] = ()
) -> Table:
    """Some metrics by test set, the levels as column groups; those of `sure` with their intervals."""
    return Table(
        caption=caption,
        row_header="Test set",
        rows=tuple(name for name, _ in given),
        columns=tuple(
            Column(TITLES[name.partition("_")[2]], None, group=name.partition("_")[0], spread_format=".2f")
            for name in names
        ),
        values=tuple(tuple(getattr(measured.metrics, name) for name in names) for _, measured in given),
        spreads=tuple(
            tuple(measured.intervals.get(name) if name in sure else None for name in names) for _, measured in given
        ),
    )


def bootstrap_note(resamples: int, seed: int) -> str:
    """What the intervals in brackets are."""
    return f"in brackets: 95 % intervals from {resamples} resamples of the videos, seed {seed}"


def record_notes(record: ScoreRecord) -> tuple[str, ...]:
    """What a reader must know beside figures of a score table: its notes and its protocol."""
    return (*record.notes, f"protocol {record.protocol} v{record.protocol_version}")


def _one_score_file(path: Path) -> Path:
    first, *others = files_below([path], SCORES, MAKE_SCORES)
    if others:
        raise InputError(f"{path} holds several score tables; name one, such as {first}")
    return first
