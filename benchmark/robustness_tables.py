"""Tables of perturbed score files: runs by perturbation and level, and one run's perturbations by level."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from benchmark.places import PERTURBED, features_path, files_below
from benchmark.run_names import run_name
from benchmark.score_tables import direction, metric_title, read_table, thresholds_beside
from config.errors import InputError, unknown
from evaluation.metrics import METRICS
from evaluation.perturbed_distance import perturbed_distances
from evaluation.robustness import AUCS, DISTANCES, Condition, Robustness, conditions
from evaluation.scores import ScoreRecord, SuiteRecord
from evaluation.tables import Column, Deviation, Spread, Table

CLEAN_COLUMN, AVERAGE = "clean", "Avg."
_ON = {"crop": "the stored crop", "frame": "the video frame"}


@dataclass(frozen=True, slots=True)
class Found:
    """A perturbed score table that was read.

    Attributes:
        path: the score table.
        record: how it came about.
        suite: its suite.
        is_test: whether all of it is of split test.
        robustness: what follows from it.
    """

    path: Path
    record: ScoreRecord
    suite: SuiteRecord
    is_test: bool
    robustness: Robustness

    @property
    def test_set(self) -> str:
        """The test set: the folder above that of the suite."""
        return self.path.parent.parent.name

    @property
    def run(self) -> str:
        """The row of a table."""
        return run_name(self.path.parent, self.record)


def read_robustness(path: Path, *, threshold_on: Sequence[str] = (), distances: bool = False) -> Found:
    """What a perturbed score table says.

    Args:
        path: the score table.
        threshold_on: data sets on whose val scores of the same run the thresholds of TPR and FPR are chosen.
        distances: whether the distances of its features are wanted.

    Raises:
        InputError: it is no score table or no perturbed one, or lacks its record, features or val scores.
    """
    record, scores = read_table(path)
    if record.suite is None:
        raise InputError(f"{path} holds no perturbed faces; make some with 'assay evaluate ... --perturb SUITE'")
    found = conditions(scores, thresholds_beside(path.parent, record, threshold_on))
    moved = perturbed_distances(features_path(path)) if distances else None
    return Found(path, record, record.suite, bool((scores["split"] == "test").all()), Robustness(found, moved))


def robustness_tables(
    paths: Sequence[Path],
    suite: str,
    metric: str = "frame_auc",
    *,
    relative: bool = False,
    threshold_on: Sequence[str] = (),
) -> list[Table]:
    """For each test set that was scored under a suite the `robustness_table` of all runs.

    Args:
        paths: perturbed score tables, or folders that hold some of test splits at any depth.
        suite: its name, or its YAML file.
        metric: as for `robustness_table`.
        relative: as for `robustness_table`.
        threshold_on: as for `robustness_table`.

    Raises:
        InputError: there are no such score tables, or as for `robustness_table`.
    """
    name = Path(suite).stem if Path(suite).suffix in {".yaml", ".yml"} else suite
    by_set: dict[str, list[Found]] = {}
    command = f"assay evaluate ... --perturb {name}"
    for path in files_below(paths, f"{glob.escape(name)}/{PERTURBED}", command):
        found = read_robustness(path, threshold_on=threshold_on, distances=_is_distance(metric))
        if found.is_test or path in paths:
            by_set.setdefault(found.test_set, []).append(found)
    if not by_set:
        where = ", ".join(map(str, paths))
        raise InputError(f"no test scores under {name} below {where}; name another split's {PERTURBED} itself")
    return [robustness_table(found, metric, relative=relative) for _, found in sorted(by_set.items())]


def robustness_table(read: Sequence[Found], metric: str = "frame_auc", *, relative: bool = False) -> Table:
    """A row for each run, a column for the clean crops and for each level of each perturbation.

    Values are means over draws, spreads their sample standard deviations. The average is over all perturbed columns.

    Args:
        read: perturbed score tables (`read_robustness`), at least one, all of one test set and suite.
        metric: a field of Metrics such as frame_auc; or mpd or relative_mpd, for which the distances must be there.
        relative: show by which share a metric changes, R_AUC of FIA-USA; of mpd relative_mpd.

    Raises:
        InputError: an unknown metric, test sets or suites differ, or a run is given twice.
    """
    metric = "relative_mpd" if metric == "mpd" and relative else metric
    if metric not in (*METRICS, *DISTANCES):
        raise unknown("metric", metric, (*METRICS, *DISTANCES))
    relative = relative and not _is_distance(metric)
    _refuse_what_does_not_compare(read)
    first = read[0]
    shown = [entry for entry in first.robustness.conditions if not (entry.is_clean and _is_distance(metric))]
    better = direction(metric)
    columns = [_column(entry, better, relative) for entry in shown]
    rows = [[_cell(found, entry, metric, relative) for entry in _same(found, shown)] for found in read]
    if sum(not entry.is_clean for entry in shown) > 1:
        columns.append(Column(AVERAGE, better, format=columns[-1].format))
        rows = [[*row, (_average(row, shown), None)] for row in rows]
    return Table(
        caption=f"{_title(metric, relative)} on {first.test_set} under {first.suite.name}",
        row_header=f"Detector on {first.test_set}",
        rows=tuple(found.run for found in read),
        columns=tuple(columns),
        values=tuple(tuple(value for value, _ in row) for row in rows),
        footnotes=_footnotes(read, [metric], relative, any(spread for row in rows for _, spread in row)),
        spreads=tuple(tuple(spread for _, spread in row) for row in rows),
    )


def levels_tables(found: Found) -> list[Table]:
    """One run: for each AUC, and distance where there are some, perturbations by level; the last table has the notes.

    Args:
        found: a perturbed score table.
    """
    metrics = [*AUCS, *(DISTANCES if found.robustness.distances else ())]
    tables = [_levels_table(found, metric) for metric in metrics]
    has_spread = any(any(row) for table in tables for row in table.spreads)
    return [*tables[:-1], replace(tables[-1], footnotes=_footnotes([found], metrics, False, has_spread))]


def _levels_table(found: Found, metric: str) -> Table:
    clean, *perturbed = found.robustness.conditions
    names = list(dict.fromkeys(entry.perturbation for entry in perturbed))
    levels = sorted({entry.level for entry in perturbed})
    by_level = {(entry.perturbation, entry.level): entry for entry in perturbed}
    first = [] if _is_distance(metric) else [clean]
    rows = [
        [_cell(found, entry, metric, False) for entry in [*first, *(by_level.get((name, level)) for level in levels)]]
        for name in names
    ]
    return Table(
        caption=f"{_title(metric, False)} of {found.run} on {found.test_set} under {found.suite.name}",
        row_header="Perturbation",
        rows=tuple(names),
        columns=(*(Column(CLEAN_COLUMN, None) for _ in first), *(Column(str(level), None) for level in levels)),
        values=tuple(tuple(value for value, _ in row) for row in rows),
        spreads=tuple(tuple(spread for _, spread in row) for row in rows),
    )


def _is_distance(metric: str) -> bool:
    return metric in DISTANCES


def _column(condition: Condition, better: bool | None, relative: bool) -> Column:
    if condition.is_clean:
        return Column(CLEAN_COLUMN, better)
    form = "+.4f" if relative else ".4f"
    return Column(str(condition.level), better, group=condition.perturbation, format=form)


def _cell(found: Found, condition: Condition | None, metric: str, relative: bool) -> tuple[float | None, Spread | None]:
    """A value and its deviation; the clean crops' own value also where the others are relative to it."""
    if condition is None:
        return None, None
    relative = relative and not condition.is_clean
    deviation = found.robustness.deviation(condition, metric, relative=relative)
    value = found.robustness.value(condition, metric, relative=relative)
    return value, None if deviation is None else Deviation(deviation)


def _average(row: Sequence[tuple[float | None, Spread | None]], shown: Sequence[Condition]) -> float | None:
    values = [value for (value, _), entry in zip(row, shown, strict=True) if not entry.is_clean]
    present = [value for value in values if value is not None]
    return fmean(present) if len(present) == len(values) else None


def _same(found: Found, shown: Sequence[Condition]) -> list[Condition | None]:
    """The conditions of a table that stand for those of the first."""
    own = {(entry.perturbation, entry.level): entry for entry in found.robustness.conditions}
    return [own.get((entry.perturbation, entry.level)) for entry in shown]


def _title(metric: str, relative: bool) -> str:
    title = metric_title(metric)
    return f"change of {title}" if relative else title


def suite_note(suite: SuiteRecord) -> str:
    """What a reader must know of a perturbation suite, in a line."""
    draws = f", {suite.draws} draws of what is random" if suite.draws > 1 else ""
    return f"{suite.name} ({suite.sha256[:12]}): {_ON[suite.on]} is perturbed{draws}"


def _footnotes(read: Sequence[Found], metrics: Sequence[str], relative: bool, has_spread: bool) -> tuple[str, ...]:
    notes = [suite_note(read[0].suite)]
    notes += ["mean ± sample standard deviation over draws"] if has_spread else []
    notes += ["relative to the clean value: (value − clean) / clean"] if relative else []
    if set(metrics) & set(DISTANCES):
        notes.append("mPD: standardised distance that a face's feature is moved by, mean over draws and faces")
        notes.append("relative mPD: mPD over the root mean square distance of two clean faces")
    for found in read:
        moved = found.robustness.distances
        if moved and moved.n_constant:
            notes.append(
                f"{found.run}: {moved.n_constant} of {moved.dimension} dimensions, which do not vary, left out"
            )
    about = {note for found in read for note in found.record.notes}
    protocols = {f"protocol {found.record.protocol} v{found.record.protocol_version}" for found in read}
    clean_notes = {entry.note for found in read for entry in found.robustness.conditions[0].metrics if entry.note}
    return (*notes, *sorted(clean_notes), *sorted(about), *sorted(protocols))


def _refuse_what_does_not_compare(read: Sequence[Found]) -> None:
    first = read[0]
    for number, found in enumerate(read):
        if found.test_set != first.test_set:
            raise InputError(
                f"{found.path} is of {found.test_set}, {first.path} of {first.test_set}: one table, one set"
            )
        if found.suite.sha256 != first.suite.sha256:
            raise InputError(f"{found.path} and {first.path} are of suites that differ: {found.suite.name} was changed")
        if found.run in [other.run for other in read[:number]]:
            raise InputError(f"{found.path}: {found.run} on {found.test_set} is given twice")
