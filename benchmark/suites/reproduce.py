"""`assay reproduce`: one table of a paper with its figures, from its plan to its files."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.demo.prepare import perturb_demo, prepare_demo, reconstruct_demo
from benchmark.suites.cost import Costs
from benchmark.suites.figures import draw_figures
from benchmark.suites.overwrite import Overwrite
from benchmark.suites.plan import Plan, on_test_sets, plan_suite
from benchmark.suites.run import Machine, run_plan
from benchmark.suites.show import show_plan
from benchmark.suites.stand_ins import on_the_demo
from benchmark.suites.table import suite_table
from config.load import load_config
from config.suite import SuiteConfig
from evaluation.render import FORMATS, save_table
from evaluation.tables import Table

RUNS, TABLES = "runs", "suites"


def reproduce(
    name: str,
    data: Path,
    out: Path,
    *,
    demo: bool = False,
    only_plan: bool = False,
    only: Sequence[str] = (),
    overwrite: Overwrite = Overwrite.MISSING,
    machine: Machine,
    landmarks: Path | None = None,
    seed: int = 0,
    console: Console,
) -> Table | None:
    """Make what is missing of a suite's cells, write its table as CSV, Markdown, LaTeX and HTML, and draw its figures.

    Args:
        name: a suite that ships with Assay, or a YAML file.
        data: folder of stores and manifests; with `demo` the demo's own is taken.
        out: folder of results: runs lie in its folder runs, table and figures in its folder suites; with `demo` the
            demo's.
        demo: take the demo's data sets and small network for the suite's own.
        only_plan: show the cells and their costs, and make none.
        only: patterns of rows' names.
        overwrite: what becomes of cells that are there.
        machine: where to run.
        landmarks: 81-point predictor for the demo's preprocessing.
        seed: of the demo's clips and training.
        console: where progress, the table, and what was drawn are shown.

    Returns:
        The table; None if only the plan was asked for.

    Raises:
        InputError: no such suite, row or metric, or a cell cannot be made.
    """
    suite = load_config(SuiteConfig, name)
    if demo:
        made = prepare_demo(
            out, profile=suite.profile, seed=seed, landmarks=landmarks, workers=machine.workers, console=console
        )
        data, suite = made.data, on_the_demo(suite, made.data, seed)
        suite = suite.model_copy(update={"footnotes": (*suite.footnotes, made.note)})
    plan = plan_suite(Path(name).stem if Path(name).suffix else name, suite, data, out / RUNS, only)
    if demo:
        reconstruct_demo([entry.cell.config for entry in plan.trained], data, suite.profile, machine.device, console)
        perturb_demo(
            on_test_sets(suite),
            out,
            profile=suite.profile,
            landmarks=landmarks,
            workers=machine.workers,
            console=console,
        )
    if only_plan:
        show_plan(plan, Costs(machine.device), console)
        return None
    run_plan(plan, machine, console, overwrite)
    table = suite_table(plan)
    console.print(f"\n{FORMATS['md'](table)}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"table: {', '.join(map(str, write_table(plan, table, out)))}", highlight=False, soft_wrap=True)
    draw_figures(plan, table, out / TABLES, machine, console)
    return table


def write_table(plan: Plan, table: Table, out: Path) -> list[Path]:
    """Write a suite's table in all formats, by the suite's name; gives the files."""
    paths = [out / TABLES / f"{plan.name}.{suffix}" for suffix in FORMATS]
    for path in paths:
        save_table(table, path)
    return paths
