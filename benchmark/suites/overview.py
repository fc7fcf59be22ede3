"""What `assay list suites` says: all suites in a table, or one in detail. Imports no torch."""

from collections.abc import Iterable, Iterator

import rich.box
import rich.table
from rich.console import Console

from benchmark.describe import whole_of
from benchmark.suites.columns import group_heading, suite_columns
from benchmark.suites.estimate import Cells, cells_of, configured, gflops, hours
from config.load import config_names, load_config
from config.suite import SuiteConfig

ABOUT_ONE = "assay list suites NAME"


def show_suites(console: Console) -> None:
    """Print a line for each suite that ships: its size, the data sets that it needs, and estimated GPU hours."""
    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    drawn.add_column("Suite", no_wrap=True)
    for heading in ("Rows", "Columns", "Figures", "GPU hours"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    drawn.add_column("Data sets")
    every: Cells = {}
    for name in config_names(SuiteConfig):
        suite = load_config(SuiteConfig, name)
        cells = cells_of(suite)
        every = {**every, **cells}
        counts = (len(suite.rows), _columns(suite), len(suite.figures), hours(cells))
        drawn.add_row(name, *map(str, counts), ", ".join(_wholes(suite)))
    console.print(drawn, markup=False)
    _say(f"all, with each cell once: {hours(every)} GPU hours; {_how(every)}; {ABOUT_ONE} says more of one", console)


def show_suite(name: str, console: Console) -> None:
    """Print what a suite is: where from, rows, columns, figures, data sets with how they come, estimated GPU hours.

    Raises:
        InputError: no such suite.
    """
    suite = load_config(SuiteConfig, name)
    cells = cells_of(suite)
    estimated = hours(cells)
    _say(f"{suite.title}\n{suite.source}".rstrip(), console)
    for heading, lines in (
        ("rows", _rows(suite)),
        ("columns", _headings(suite)),
        ("figures", [f"{figure.file}: {figure.kind}" for figure in suite.figures]),
        ("data sets", _come(suite)),
        ("notes", suite.footnotes),
    ):
        if lines := list(lines):
            _say(f"{heading}:\n" + "\n".join(f"  {line}" for line in lines), console)
    if estimated.unknown == estimated.cells:
        _say(f"GPU hours: unknown, as no card says how many faces the {estimated.cells} cells have", console)
        return
    parts = f"{estimated.training:,.1f} of training and {estimated.scoring:,.1f} of scoring"
    _say(f"GPU hours: {estimated}, {parts}, of {estimated.cells} cells; {_how(cells)}", console)


def _say(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _how(cells: Cells) -> str:
    """How hours come about, and what they lack."""
    missing = hours(cells).unknown
    lacks = f", without {missing} cells of unknown size" if missing else ""
    return f"estimated by counts of images at {gflops().teraflops:g} TFLOP/s{lacks}"


def _columns(suite: SuiteConfig) -> int:
    """How many columns the table has, averages among them."""
    return len(suite_columns(suite.columns)) + sum(len(group.averages) for group in suite.columns)


def _rows(suite: SuiteConfig) -> Iterator[str]:
    seeds = f" (seeds {', '.join(map(str, suite.seeds))})" if suite.seeds else ""
    for row in suite.rows:
        config = configured(row.detector, row.overrides(suite.train))
        network = f"{config.model_name} with {config.backbone_name} at {config.resolution} pixels"
        yield f"{row.name}: {network}, {config.nEpochs} epochs of {' + '.join(config.train_dataset)}{seeds}"


def _headings(suite: SuiteConfig) -> Iterator[str]:
    """A line for each group of columns."""
    measured = suite_columns(suite.columns)
    for group in suite.columns:
        own = [column.heading for column in measured if column.group is group]
        yield f"{group_heading(group, suite.columns)}: {', '.join([*own, *group.averages])}"


def _come(suite: SuiteConfig) -> Iterator[str]:
    """A line for each data set: what of it is needed, and the command that brings it in."""
    for whole, parts in _wholes(suite).items():
        which = f" ({', '.join(parts)})" if parts != [whole] else ""
        yield f"{whole}{which}: assay preprocess {whole} --root DIR --profile {suite.profile}"


def _wholes(suite: SuiteConfig) -> dict[str, list[str]]:
    """The data sets that a suite trains, chooses thresholds and tests on, with which parts of each."""
    configs = (configured(row.detector, row.overrides(suite.train)) for row in suite.rows)
    trained: Iterable[str] = (name for config in configs for name in config.train_dataset)
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys([*trained, *suite.threshold_on, *suite.tests]):
        found.setdefault(whole_of(name) or name, []).append(name)
    return found
