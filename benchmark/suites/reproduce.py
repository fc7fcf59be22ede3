"""`assay reproduce`: one table of a paper with its figures, from its plan to its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark.demo.prepare import STAMP, perturb_demo, prepare_demo, reconstruct_demo
from benchmark.suites.columns import on_test_sets
from benchmark.suites.figures import draw_figures
from benchmark.suites.long_table import long_csv
from benchmark.suites.overwrite import Overwrite
from benchmark.suites.plan import Plan, plan_suite
from benchmark.suites.readings import Reading, read_plan
from benchmark.suites.run import Machine, run_plan
from benchmark.suites.stand_ins import demo_sets, on_the_demo
from benchmark.suites.table import suite_table
from config.files import write_text
from config.load import load_config
from config.suite import SuiteConfig
from evaluation.render import FORMATS, save_table
from evaluation.tables import Table

RUNS, TABLES = "runs", "suites"


@dataclass(frozen=True, slots=True)
class Place:
    """Where suites are reproduced.

    Attributes:
        data: folder of stores and manifests; with `demo` the demo's own is taken.
        out: folder of results: runs lie in its folder runs, tables and figures in its folder suites; with `demo` the
            demo's.
        machine: where to run.
        console: where progress, tables, and what was drawn are shown.
        demo: take the demo's data sets and small network for the suites' own.
        landmarks: 81-point predictor for the demo's preprocessing.
        seed: of the demo's clips and training.
    """

    data: Path
    out: Path
    machine: Machine
    console: Console
    demo: bool = False
    landmarks: Path | None = None
    seed: int = 0


def plan_at(name: str, place: Place, only: Sequence[str] = ()) -> Plan:
    """The plan of a suite at a place; on the demo, whose data are made before.

    Args:
        name: a suite that ships with Assay, or a YAML file.
        place: where.
        only: patterns of rows' names.

    Raises:
        InputError: no such suite, row or metric.
    """
    suite, data, out = load_config(SuiteConfig, name), place.data, place.out
    title = Path(name).stem if Path(name).suffix else name
    if not place.demo:
        return plan_suite(title, suite, data, out / RUNS, only)
    landmarks, workers, console = place.landmarks, place.machine.workers, place.console
    made = prepare_demo(
        out,
        sets=demo_sets(suite),
        profile=suite.profile,
        seed=place.seed,
        landmarks=landmarks,
        workers=workers,
        console=console,
    )
    data, suite = made.data, on_the_demo(suite, made.data, place.seed)
    suite = suite.model_copy(update={"footnotes": (*suite.footnotes, made.note)})
    plan = plan_suite(title, suite, data, out / RUNS, only)
    configs = [entry.cell.config for entry in plan.trained]
    reconstruct_demo(configs, data, suite.profile, place.machine.device, console)
    perturb_demo(on_test_sets(suite), out, profile=suite.profile, landmarks=landmarks, workers=workers, console=console)
    return plan


def make(plan: Plan, place: Place, overwrite: Overwrite = Overwrite.MISSING) -> list[Path]:
    """Make what is missing of a plan's cells, write the table as CSV, Markdown, LaTeX and HTML, and draw the figures.

    Args:
        plan: of a suite at this place.
        place: where.
        overwrite: what becomes of cells that are there.

    Returns:
        The files of the table and of the figures.

    Raises:
        InputError: a cell cannot be made.
    """
    console = place.console
    run_plan(plan, place.machine, console, overwrite)
    readings = read_plan(plan)
    table = suite_table(plan, readings, STAMP if place.demo else "")
    console.print(f"\n{FORMATS['md'](table)}", highlight=False, markup=False, soft_wrap=True)
    files = write_table(plan, table, readings, place.out)
    console.print(f"table: {', '.join(map(str, files))}", highlight=False, soft_wrap=True)
    return [*files, *draw_figures(plan, table, place.out / TABLES, place.machine, console)]


def write_table(plan: Plan, table: Table, readings: Sequence[Reading], out: Path) -> list[Path]:
    """Write a suite's table in all formats, and its single numbers as NAME_long.csv; gives the files.

    Args:
        plan: of the suite.
        table: its table.
        readings: what its cells say.
        out: folder of results.
    """
    paths = [out / TABLES / f"{plan.name}.{suffix}" for suffix in FORMATS]
    for path in paths:
        save_table(table, path)
    long = out / TABLES / f"{plan.name}_long.csv"
    write_text(long, long_csv(plan, table, readings, out))
    return [*paths, long]
