"""`assay explain robustness`: what detectors lose under each perturbation, level by level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.leaderboard import metric_title, run_name
from benchmark.places import PERTURBED, SCORES, files_below
from config.errors import InputError, unknown
from evaluation.metrics import METRICS
from evaluation.plots.explanations import LevelCurve, level_panels
from evaluation.protocol import Protocol
from evaluation.robustness import Condition, conditions, reduction
from evaluation.scores import ScoreRecord, read_scores
from evaluation.tables import Column, Deviation, Table

MAKE_PERTURBED = "assay evaluate ... --perturb SUITE"
NOTHING = (None, None)


@dataclass(frozen=True, slots=True)
class Robustness:
    """A metric of a detector on a test set under a suite of perturbations.

    Attributes:
        run: the detector.
        test_set: the test set.
        suite: the suite's folder name.
        curves: the metric by level, of each perturbation.
        notes: what a reader must know beside the figures.
    """

    run: str
    test_set: str
    suite: str
    curves: tuple[LevelCurve, ...]
    notes: tuple[str, ...]


def robustness_figure(perturbed: Sequence[Path], metric: str = "frame_auc", relative: bool = False) -> Figure:
    """A panel for each perturbation, a line for each detector; arguments and errors as for `read_robustness`."""
    return draw_robustness(read_robustness(perturbed, metric, relative), metric, relative)


def read_robustness(paths: Sequence[Path], metric: str = "frame_auc", relative: bool = False) -> list[Robustness]:
    """A metric by perturbation and level.

    Args:
        paths: tables of perturbed scores, or folders that hold some at any depth.
        metric: a field of Metrics, such as frame_auc or video_auc.
        relative: its change as a share of what it is on the clean crops: R_AUC of FIA-USA.

    Raises:
        InputError: an unknown metric, no such table, one without clean scores or that cannot be read, or a run is given
            twice.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    found: dict[tuple[str, str, str], Robustness] = {}
    for path in files_below(paths, PERTURBED, MAKE_PERTURBED):
        record = ScoreRecord.read(ScoreRecord.beside(path))
        scores = Protocol.parse(record.protocol).view(record.with_rule(read_scores(path)))
        suite = path.parent
        run = run_name(suite.parent / SCORES, record)
        curves = _curves(conditions(scores), metric, relative)
        one = Robustness(run, suite.parent.name, suite.name, curves, record.notes)
        if found.setdefault((one.run, one.test_set, one.suite), one) is not one:
            raise InputError(f"{path}: {one.run} on {one.test_set} under {one.suite} is given twice")
    return list(found.values())


def draw_robustness(found: Sequence[Robustness], metric: str, relative: bool) -> Figure:
    """A panel for each perturbation, with a line for each detector, and test set and suite if there are several."""
    names = _names(found)
    curves = [replace(curve, name=name) for one, name in zip(found, names, strict=True) for curve in one.curves]
    shared = {
        "test set": sorted({one.test_set for one in found}),
        "suite": sorted({one.suite for one in found}),
    }
    caption = [f"{what}: {', '.join(several)}" for what, several in shared.items()]
    caption += ["level 0: the clean crops; bands: standard deviation over the draws"]
    caption += ["lost or won as a share of the value on the clean crops"] if relative else []
    return level_panels(curves, _axis(metric, relative), "; ".join(caption))


def levels_table(found: Sequence[Robustness], metric: str, relative: bool) -> Table:
    """The same in numbers: a row for each line of each panel, a column for each level."""
    rows = [
        (f"{name}: {curve.perturbation}", curve)
        for one, name in zip(found, _names(found), strict=True)
        for curve in one.curves
    ]
    levels = sorted({level for _, curve in rows for level in curve.levels})
    at = [dict(zip(curve.levels, zip(curve.means, curve.deviations, strict=True), strict=True)) for _, curve in rows]
    return Table(
        caption=f"{_axis(metric, relative)} by level, 0: clean",
        row_header="Detector: perturbation",
        rows=tuple(name for name, _ in rows),
        columns=tuple(Column(str(level), None) for level in levels),
        values=tuple(tuple(values.get(level, NOTHING)[0] for level in levels) for values in at),
        footnotes=tuple(sorted({note for one in found for note in one.notes})),
        spreads=tuple(
            tuple(
                None if deviation is None else Deviation(deviation)
                for _, deviation in (values.get(level, NOTHING) for level in levels)
            )
            for values in at
        ),
    )


def _curves(measured: Sequence[Condition], metric: str, relative: bool) -> tuple[LevelCurve, ...]:
    """The curve of each perturbation from the clean crops on; the first condition is theirs."""
    clean, *others = measured
    base = clean.mean(metric)
    curves = []
    for name in dict.fromkeys(one.perturbation for one in others):
        points = [clean, *(one for one in others if one.perturbation == name)]
        means, deviations = [one.mean(metric) for one in points], [one.deviation(metric) for one in points]
        if relative:
            means = [reduction(base, value) for value in means]
            deviations = [None if not base or value is None else value / base for value in deviations]
        curves.append(LevelCurve("", name, [one.level for one in points], means, deviations))
    return tuple(curves)


def _names(found: Sequence[Robustness]) -> list[str]:
    """The runs, with test set and suite where there are several of these."""
    sets, suites = len({one.test_set for one in found}) > 1, len({one.suite for one in found}) > 1
    return [f"{one.run}{f' on {one.test_set}' if sets else ''}{f', {one.suite}' if suites else ''}" for one in found]


def _axis(metric: str, relative: bool) -> str:
    return f"Change of {metric_title(metric)}, relative" if relative else metric_title(metric)
