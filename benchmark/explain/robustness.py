"""`assay explain robustness`: what detectors lose under each perturbation, level by level."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.places import PERTURBED, files_below
from benchmark.robustness_tables import Found, read_robustness
from benchmark.score_tables import metric_title, record_notes
from config.errors import InputError, unknown
from evaluation.metrics import METRICS
from evaluation.plots.explanations import LevelCurve, level_panels
from evaluation.robustness import DISTANCES
from evaluation.tables import Column, Deviation, Table

MAKE_PERTURBED = "assay evaluate ... --perturb SUITE"


def robustness_figure(perturbed: Sequence[Path], metric: str = "frame_auc", relative: bool = False) -> Figure:
    """A panel for each perturbation, a line for each detector; arguments and errors as for `read_perturbed`.

    Args:
        perturbed: as for `read_perturbed`.
        metric: as for `read_perturbed`.
        relative: show by which share the metric changes from the clean crops, R_AUC of FIA-USA; of mpd relative_mpd.
    """
    return draw_robustness(read_perturbed(perturbed, metric), metric, relative)


def read_perturbed(paths: Sequence[Path], metric: str = "frame_auc") -> list[Found]:
    """What perturbed score tables say.

    Args:
        paths: perturbed score tables, or folders that hold some of test splits at any depth.
        metric: a field of Metrics such as frame_auc; or mpd or relative_mpd, which need features.

    Raises:
        InputError: an unknown metric, no such table, one that cannot be read or has no such metric, or a run is given
            twice.
    """
    if metric not in (*METRICS, *DISTANCES):
        raise unknown("metric", metric, (*METRICS, *DISTANCES))
    files = files_below(paths, PERTURBED, MAKE_PERTURBED)
    read = [read_robustness(path, distances=metric in DISTANCES) for path in files]
    found: dict[tuple[str, str, str], Found] = {}
    for one in (one for one in read if one.is_test or one.path in paths):
        if found.setdefault((one.run, one.test_set, one.suite.name), one) is not one:
            raise InputError(f"{one.path}: {one.run} on {one.test_set} under {one.suite.name} is given twice")
        refuse_without(one, metric)
    if not found:
        raise InputError(f"no test scores below {', '.join(map(str, paths))}; name another split's {PERTURBED} itself")
    return list(found.values())


def refuse_without(found: Found, metric: str) -> None:
    """See that a perturbed score table has a metric.

    Raises:
        InputError: it has not.
    """
    if all(found.robustness.value(condition, metric) is None for condition in found.robustness.conditions):
        needs = "; 'assay table --perturb SUITE --threshold-on DATASET' has it" if metric.endswith("pct") else ""
        raise InputError(f"{found.path} has no {metric} to draw{needs}")


def draw_robustness(
    found: Sequence[Found], metric: str = "frame_auc", relative: bool = False, names: Sequence[str] = ()
) -> Figure:
    """A panel for each perturbation, with a line for each detector, and test set and suite if there are several.

    Args:
        found: what perturbed score tables say.
        metric: as for `read_perturbed`.
        relative: as for `robustness_figure`.
        names: of each line; after its detector if none are given.
    """
    metric, relative = _shown(metric, relative)
    curves = _named_curves(found, metric, relative, names or _names(found))
    caption = [
        f"{what}: {', '.join(sorted(several))}"
        for what, several in (
            ("test set", {one.test_set for one in found}),
            ("suite", {one.suite.name for one in found}),
        )
    ]
    caption += [] if metric in DISTANCES else ["level 0: the clean crops"]
    marks = {"bars" if len(curve.levels) == 1 else "bands" for curve in curves if any(curve.deviations)}
    caption += [f"{' and '.join(sorted(marks))}: standard deviation over draws"] if marks else []
    caption += ["change: (value \N{MINUS SIGN} clean) / clean"] if relative else []
    return level_panels(curves, _axis(metric, relative), "; ".join(caption))


def levels_table(found: Sequence[Found], metric: str, relative: bool, names: Sequence[str] = ()) -> Table:
    """The same in numbers: a row for each line of each panel, a column for each level; arguments likewise."""
    metric, relative = _shown(metric, relative)
    curves = _named_curves(found, metric, relative, names or _names(found))
    levels = sorted({level for curve in curves for level in curve.levels})
    at = [dict(zip(curve.levels, zip(curve.means, curve.deviations, strict=True), strict=True)) for curve in curves]
    cells = [[values.get(level, (None, None)) for level in levels] for values in at]
    return Table(
        caption=f"{_axis(metric, relative)} by level",
        row_header="Detector: perturbation",
        rows=tuple(f"{curve.name}: {curve.perturbation}" for curve in curves),
        columns=tuple(Column(str(level) if level else "clean", None) for level in levels),
        values=tuple(tuple(mean for mean, _ in row) for row in cells),
        footnotes=tuple(sorted({note for one in found for note in record_notes(one.record)})),
        spreads=tuple(tuple(None if spread is None else Deviation(spread) for _, spread in row) for row in cells),
    )


def level_curves(found: Found, name: str, metric: str = "frame_auc", relative: bool = False) -> list[LevelCurve]:
    """A metric by level of each perturbation, from the clean crops on, whose features have no distance."""
    clean, *others = found.robustness.conditions
    curves = []
    for kind in dict.fromkeys(one.perturbation for one in others):
        points = [*([] if metric in DISTANCES else [clean]), *(one for one in others if one.perturbation == kind)]
        means, deviations = (
            [of(one, metric, relative=relative) for one in points]
            for of in (found.robustness.value, found.robustness.deviation)
        )
        curves.append(LevelCurve(name, kind, [one.level for one in points], means, deviations))
    return curves


def _named_curves(found: Sequence[Found], metric: str, relative: bool, names: Sequence[str]) -> list[LevelCurve]:
    """All curves of some tables, each with the name of its table."""
    named = zip(found, names, strict=True)
    return [curve for one, name in named for curve in level_curves(one, name, metric, relative)]


def _names(found: Sequence[Found]) -> list[str]:
    """Of each table the detector, and test set and suite where there are several of these."""
    sets, suites = len({one.test_set for one in found}) > 1, len({one.suite.name for one in found}) > 1
    return [
        f"{one.run}{f' on {one.test_set}' if sets else ''}{f', {one.suite.name}' if suites else ''}" for one in found
    ]


def _axis(metric: str, relative: bool) -> str:
    return f"Change of {metric_title(metric)}" if relative else metric_title(metric)


def _shown(metric: str, relative: bool) -> tuple[str, bool]:
    """A distance is relative to other clean faces, not to a clean value."""
    if metric not in DISTANCES:
        return metric, relative
    return "relative_mpd" if relative else metric, False
