"""The columns that a suite's groups of columns stand for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmark.score_tables import metric_title
from config.errors import InputError, unknown
from config.figure import CamFigure, DistancesFigure, OrganisationFigure, RobustnessFigure, SuiteFigure
from config.load import load_config
from config.pseudofake import PseudoFakeConfig
from config.row import SuiteRow
from config.suite import SuiteColumns, SuiteConfig
from config.test_sets import OnTestSets
from evaluation.metrics import METRICS
from evaluation.robustness import DISTANCES
from preprocessing.views import load_suite


@dataclass(frozen=True, slots=True)
class Measured:
    """A column of the table, averages apart: a metric of a test set, clean, or under one level of a perturbation."""

    group: SuiteColumns
    heading: str
    test: str
    perturbation: str = ""
    level: int = 0


def suite_columns(groups: Sequence[SuiteColumns]) -> list[Measured]:
    """The columns of all groups, from left to right.

    Raises:
        InputError: as for `measured_columns`, two columns have the same headings, or a mean is over others than its
            group's.
    """
    columns = [measured for group in groups for measured in measured_columns(group)]
    headings = [(group_heading(measured.group, groups), measured.heading) for measured in columns]
    if twice := next((each for each in headings if headings.count(each) > 1), None):
        raise InputError(f"columns: two are called '{' '.join(twice)}'; give one of their groups a title of its own")
    for group in groups:
        own = [measured.heading for measured in columns if measured.group is group]
        for name, over in group.averages.items():
            if others := [heading for heading in over if heading not in own]:
                raise unknown(f"column in averages, {name}:", others[0], own)
    return columns


def group_heading(group: SuiteColumns, groups: Sequence[SuiteColumns]) -> str:
    """What stands above the columns of a group; with the perturbation suite where another group has the same metric."""
    if group.title:
        return group.title
    title = f"change of {metric_title(group.metric)}" if group.relative else metric_title(group.metric)
    alike = [other for other in groups if other.metric == group.metric and other.relative == group.relative]
    return f"{title}, {load_suite(group.perturb).name}" if group.perturb and len(alike) > 1 else title


def measured_columns(group: SuiteColumns) -> Iterator[Measured]:
    """The columns that a group stands for, from left to right.

    Raises:
        InputError: an unknown metric or perturbation suite, or one without such a perturbation or level.
    """
    known = (*METRICS, *(DISTANCES if group.perturb else ()))
    if group.metric not in known:
        raise unknown("metric", group.metric, known)
    if group.perturb is None:
        yield from (Measured(group, heading, test) for heading, test in group.test.items())
        return
    levels = {name: range(1, len(of) + 1) for name, of in load_suite(group.perturb).levels.items()}
    chosen = group.perturbations or list(levels)
    for name in chosen:
        if name not in levels:
            raise unknown(f"perturbation of {group.perturb}", name, levels)
    for heading, test in group.test.items():
        for name in chosen:
            for level in group.levels or levels[name]:
                if level not in levels[name]:
                    raise InputError(f"{group.perturb}: {name} has no level {level}, it ends at {levels[name][-1]}")
                words = [heading] if len(group.test) > 1 else []
                words += [name.replace("_", " ")]
                words += [str(level)] if len(group.levels or levels[name]) > 1 else []
                yield Measured(group, " ".join(words), test, name, level)


def on_test_sets(suite: SuiteConfig, row: SuiteRow | None = None) -> list[OnTestSets]:
    """The columns and figures that are of scores of test sets: all, or those that show a row."""
    figures = [figure for figure in suite.figures if row is None or figure.shows(row)]
    return [*suite.columns, *(figure for figure in figures if isinstance(figure, OnTestSets))]


def refuse_unknown(figures: Iterable[SuiteFigure]) -> None:
    """See that what figures name is known.

    Raises:
        InputError: a pseudo-fake is not, or as for `measured_columns`.
    """
    for figure in figures:
        if isinstance(figure, RobustnessFigure):
            list(measured_columns(SuiteColumns(test=figure.test, metric=figure.metric, perturb=figure.perturb)))
        if isinstance(figure, DistancesFigure):
            kinds, level = (figure.perturbation,) if figure.perturbation else (), (figure.level,)
            asked = {"test": figure.test, "metric": "mpd", "perturb": figure.perturb}
            list(measured_columns(SuiteColumns(**asked, perturbations=kinds, levels=level)))
        if isinstance(figure, CamFigure | OrganisationFigure) and figure.pseudofake is not None:
            load_config(PseudoFakeConfig, figure.pseudofake)
