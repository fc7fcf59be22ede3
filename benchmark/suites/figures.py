"""A suite's figures, drawn of the cells that are there; what kinds there are, config.figure says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import chain
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from benchmark.explain.cam import cam_sheet
from benchmark.explain.confidence import confidence_table, read_confidence
from benchmark.explain.distances import distances_table, draw_distances, read_distances
from benchmark.explain.embed import draw_embedded, embed, embedding_table
from benchmark.explain.errors import draw_errors, errors_table, set_errors
from benchmark.explain.examples import examples_of
from benchmark.explain.organisation import draw_organisation, organisation_table, read_organisation
from benchmark.explain.robustness import draw_robustness, levels_table, refuse_without
from benchmark.places import features_path
from benchmark.robustness_tables import read_robustness
from benchmark.score_tables import metric_title, read_table
from benchmark.suites.cells import ScoreCell
from benchmark.suites.columns import group_heading
from benchmark.suites.plan import Cell, Plan, ScoreKey, State, Trained, missing_sets, status
from benchmark.suites.run import Machine
from benchmark.suites.show import in_words, words
from benchmark.suites.table import notes_beside
from config.errors import InputError
from config.figure import (
    BarsFigure,
    CamFigure,
    ConfidenceFigure,
    DistancesFigure,
    EmbedFigure,
    ErrorsFigure,
    ExamplesFigure,
    FacesFigure,
    OrganisationFigure,
    RobustnessFigure,
    SuiteFigure,
    SweepFigure,
    TableFigure,
)
from config.row import SweptRow
from config.suite import SuiteColumns, SuiteConfig
from config.test_sets import OnTestSets
from evaluation.metrics import group_scores
from evaluation.plots.explanations import confidence_rows
from evaluation.plots.measures import Bars, bar_figure
from evaluation.plots.style import add_to_caption, save_figure
from evaluation.plots.sweeps import SweepCurve, sweep_panels
from evaluation.render import save_table
from evaluation.tables import Deviation, Table

PICTURES, NUMBERS = (".png", ".svg"), ".csv"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, and the numbers behind it where the suite's table does not have them."""

    picture: Figure
    numbers: Table | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a figure is drawn of.

    Attributes:
        plan: the plan of the suite.
        rows: each row that is shown, with its first seed.
        table: the suite's table.
        machine: where detectors are run on faces.
    """

    plan: Plan
    rows: tuple[Trained, ...]
    table: Table
    machine: Machine

    @property
    def names(self) -> list[str]:
        """What the rows are called; with their seeds where there are several."""
        seeds = [f", seed {entry.cell.config.manualSeed}" for entry in self.rows]
        several = len(self.plan.suite.seeds) > 1
        return [f"{entry.row.name}{seed * several}" for entry, seed in zip(self.rows, seeds, strict=True)]

    @property
    def runs(self) -> list[Path]:
        """The folders of the training runs."""
        return [entry.cell.folder for entry in self.rows]

    @property
    def data(self) -> Path:
        """The folder of stores and manifests."""
        return self.rows[0].cell.data

    def scores(self, config: OnTestSets) -> Iterator[tuple[str, Path]]:
        """The score tables of the figure's test sets, row by row, each with the names of both."""
        for name, heading, path in self.tables(config):
            yield f"{name} on {heading}", path

    def tables(self, config: OnTestSets) -> Iterator[tuple[str, str, Path]]:
        """The same with the name of the row, and the heading of the test set, apart."""
        for entry, name in zip(self.rows, self.names, strict=True):
            for heading, test in config.test.items():
                yield name, heading, entry.scores[test, "test", config.perturb].scores


def draw_figures(plan: Plan, table: Table, folder: Path, machine: Machine, console: Console) -> list[Path]:
    """Draw each figure of a suite whose cells are there, and say of the others what they wait for.

    Args:
        plan: of the suite.
        table: its table.
        folder: where pictures go, by the names of suite and figure, and the numbers behind them as CSV.
        machine: where detectors are run on faces.
        console: where it is said.

    Returns:
        The files that were drawn.
    """
    drawn: list[Path] = []
    for config in plan.suite.figures:
        path = folder / f"{plan.name}-{config.file}"
        try:
            files = _write(draw_figure(config, plan, table, machine), path)
            _say(f"figure: {', '.join(map(str, files))}{_without(config, plan)}", console)
            drawn += files
        except InputError as error:
            earlier = _with(path, PICTURES[0])
            _say(f"figure {config.file} is left out: {error}", console)
            if earlier.is_file():
                _say(f"{earlier} is of an earlier call", console)
    return drawn


def _say(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _without(config: SuiteFigure, plan: Plan) -> str:
    """Which of a figure's rows were not chosen, in words."""
    chosen = {entry.row.name for entry in plan.trained}
    left = [row.name for row in plan.suite.rows if config.shows(row) and row.name not in chosen]
    return f" (without {', '.join(left)})" if left else ""


def _write(drawn: Drawn, path: Path) -> list[Path]:
    pictures = [_with(path, suffix) for suffix in PICTURES]
    for picture in pictures:
        save_figure(drawn.picture, picture)
    if drawn.numbers is None:
        return pictures
    save_table(drawn.numbers, _with(path, NUMBERS))
    return [*pictures, _with(path, NUMBERS)]


def draw_figure(config: SuiteFigure, plan: Plan, table: Table, machine: Machine) -> Drawn:
    """The figure of those of its rows that were chosen, with what a reader must know beside it in its caption.

    Args:
        config: one of the suite's figures.
        plan: of the suite.
        table: its table.
        machine: where detectors are run on faces.

    Raises:
        InputError: none of its rows was chosen, a cell is not there, or it cannot be drawn of what is there.
    """
    rows = [entry for entry in plan.trained if config.shows(entry.row)]
    if not rows:
        raise InputError(f"none of its rows ({', '.join(config.rows)}) was chosen")
    cells = [_finished(config, entry, plan.suite) for entry in rows]
    first = {entry.row.name: entry for entry in reversed(rows)}
    drawn = draw(config, Shown(plan, tuple(reversed(first.values())), table, machine))
    add_to_caption(drawn.picture, notes_beside(chain(*cells), plan.suite))
    return drawn


def _finished(config: SuiteFigure, entry: Trained, suite: SuiteConfig) -> list[ScoreCell]:
    """The scores that a figure shows of a row.

    Raises:
        InputError: one is not there, or the row is not trained, or the faces are missing that it is to be run on.
    """
    cells = _cells(config, entry, suite)
    needed: list[Cell] = [entry.cell, *cells]
    for cell in needed:
        if (found := status(cell)).state != State.DONE:
            why = "; ".join(found.waits_for.values()) or in_words(found)
            raise InputError(f"{entry.row.name}, {' on '.join(words(cell))}: {why}")
    if isinstance(config, FacesFigure) and (missing := missing_sets([config.test], entry.cell)):
        raise InputError(missing[config.test])
    return cells


def _cells(config: SuiteFigure, entry: Trained, suite: SuiteConfig) -> list[ScoreCell]:
    """What of a row's scores must be there."""
    asked: Sequence[OnTestSets] = [config] if isinstance(config, OnTestSets) else []
    if isinstance(config, TableFigure):
        asked = clean_columns(config.metric, suite)
    keys: list[ScoreKey] = [(test, "test", one.perturb) for one in asked for test in one.test.values()]
    if config.needs_thresholds:
        keys += [(name, "val", None) for name in suite.threshold_on]
    return [entry.scores[key] for key in keys]


def clean_columns(metric: str, suite: SuiteConfig) -> list[SuiteColumns]:
    """The groups of columns of a metric without perturbations."""
    return [group for group in suite.columns if group.metric == metric and group.perturb is None]


@singledispatch
def draw(config: SuiteFigure, shown: Shown) -> Drawn:
    """Draw one kind of figure.

    Args:
        config: the figure, whose class is its kind.
        shown: what it is drawn of; all of it is there.

    Raises:
        InputError: it cannot be drawn of that.
    """
    raise NotImplementedError(type(config).__name__)


@draw.register
def _(config: BarsFigure, shown: Shown) -> Drawn:
    table = _clean_part(config, shown)
    none = [None] * len(table.columns)
    bars = [Bars(row, values, none) for row, values in zip(table.rows, table.values, strict=True)]
    chance = 0.5 if config.metric.endswith("auc") else None
    names = [column.name for column in table.columns]
    return Drawn(bar_figure(names, bars, metric_title(config.metric), config.title, chance))


@draw.register
def _(config: SweepFigure, shown: Shown) -> Drawn:
    table = _clean_part(config, shown)
    swept = [entry.row for entry in shown.rows if isinstance(entry.row, SweptRow)]
    keys = list(dict.fromkeys(row.key for row in swept))
    drawn = sweep_panels(
        [curve for name in dict.fromkeys(row.curve for row in swept) for curve in _curves(name, swept, table)],
        metric_title(config.metric),
        keys[0] if len(keys) == 1 else "value",
        "bands: standard deviation over seeds" if table.spreads else "",
    )
    return Drawn(drawn)


def _clean_part(config: TableFigure, shown: Shown) -> Table:
    """What the suite's table has of the figure's rows in the unperturbed columns of its metric, and their averages."""
    suite, table = shown.plan.suite, shown.table
    headings = {group_heading(group, suite.columns) for group in clean_columns(config.metric, suite)}
    columns = [index for index, column in enumerate(table.columns) if column.group in headings]
    rows = [table.rows.index(entry.row.name) for entry in shown.rows]
    return table.part(rows, columns)


def _curves(name: str, swept: Sequence[SweptRow], table: Table) -> Iterator[SweepCurve]:
    """The curve of a sweep in each column of a table that has its rows."""
    places = [place for place, row in enumerate(swept) if row.curve == name]
    values = [swept[place].point for place in places]
    several = len(table.groups()) > 1
    for at, column in enumerate(table.columns):
        means = [table.values[place][at] for place in places]
        spreads = [table.spreads[place][at] if table.spreads else None for place in places]
        deviations = [spread.value if isinstance(spread, Deviation) else None for spread in spreads]
        panel = f"{column.group}, {column.name}" if several else column.name
        yield SweepCurve(name, panel, values, means, deviations)


@draw.register
def _(config: RobustnessFigure, shown: Shown) -> Drawn:
    names, paths = zip(*shown.scores(config), strict=True)
    names = names if len(config.test) > 1 else tuple(shown.names)  # the caption says which test set it is
    on = shown.plan.suite.threshold_on if config.needs_thresholds else ()
    found = [read_robustness(path, threshold_on=on, distances=config.needs_features) for path in paths]
    for one in found:
        refuse_without(one, config.metric)
    drawn = draw_robustness(found, config.metric, config.relative, names)
    return Drawn(drawn, levels_table(found, config.metric, config.relative, names))


@draw.register
def _(config: DistancesFigure, shown: Shown) -> Drawn:
    found = []
    for name, path in shown.scores(config):
        (one,) = read_distances(
            [features_path(path)],
            level=config.level,
            perturbation=config.perturbation,
            seed=config.seed,
            most=config.most,
        )
        found.append(replace(one, name=name))
    return Drawn(draw_distances(found, config.seed), distances_table(found))


@draw.register
def _(config: ConfidenceFigure, shown: Shown) -> Drawn:
    sets = []
    for name, path in shown.scores(config):
        (one,) = read_confidence([path])
        sets.append(replace(one, name=name))
    return Drawn(confidence_rows(sets), confidence_table(sets))


@draw.register
def _(config: ErrorsFigure, shown: Shown) -> Drawn:
    on, found = shown.plan.suite.threshold_on, []
    for name, heading, path in shown.tables(config):
        record, scores = read_table(path)
        one = set_errors(name, path, record, group_scores(scores), on, config.level)
        found.append(replace(one, test_set=heading))
    return Drawn(draw_errors(found, on, config.level), errors_table(found, on, config.level))


@draw.register
def _(config: EmbedFigure, shown: Shown) -> Drawn:
    on, embedded = shown.plan.suite.threshold_on if config.mark_errors else (), []
    for name, path in shown.scores(config):
        (one,) = embed([features_path(path)], seed=config.seed, most=config.most, threshold_on=on)
        embedded.append(replace(one, embedding=replace(one.embedding, title=name)))
    return Drawn(draw_embedded(embedded, config.seed), embedding_table(embedded))


@draw.register
def _(config: ExamplesFigure, shown: Shown) -> Drawn:
    (test,), paths = config.test.values(), [path for _, path in shown.scores(config)]
    found = examples_of(
        list(zip(shown.names, paths, strict=True)),
        test,
        shown.data,
        count=config.count,
        seed=config.seed,
        profile=shown.plan.suite.profile,
        threshold_on=shown.plan.suite.threshold_on if config.misjudged else (),
    )
    return Drawn(found.figure(), found.table())


@draw.register
def _(config: CamFigure, shown: Shown) -> Drawn:
    sheet = cam_sheet(
        shown.runs,
        config.test,
        shown.data,
        per_class=config.per_class,
        seed=config.seed,
        profile=shown.plan.suite.profile,
        pseudofake=config.pseudofake,
        device=shown.machine.device,
    )
    named = [replace(one, name=name) for one, name in zip(sheet.seen, shown.names, strict=True)]
    sheet = replace(sheet, seen=named)
    return Drawn(sheet.figure(), sheet.table())


@draw.register
def _(config: OrganisationFigure, shown: Shown) -> Drawn:
    found = read_organisation(
        shown.runs,
        config.test,
        shown.data,
        most=config.most,
        seed=config.seed,
        profile=shown.plan.suite.profile,
        pseudofake=config.pseudofake,
        device=shown.machine.device,
    )
    named = [replace(one, name=name) for one, name in zip(found.seen, shown.names, strict=True)]
    found = replace(found, seen=named)
    return Drawn(draw_organisation(found, config.layout), organisation_table(found))
