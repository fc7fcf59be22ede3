"""`assay demo`: from stills to video files, crops, trained detectors, tables and a report, all on the embedded set."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.demo.light import lightened_all
from benchmark.demo.pages import Outcome, write_pages
from benchmark.demo.prepare import DATASETS, STAMP, prepare_demo, reconstruct_demo
from benchmark.evaluate import show_results
from benchmark.suites.plan import Trained, plan_suite
from benchmark.suites.readings import read_plan
from benchmark.suites.reproduce import RUNS, write_table
from benchmark.suites.run import Machine, run_plan
from benchmark.suites.stand_ins import on_the_demo
from benchmark.suites.table import read_evaluated, suite_table
from benchmark.train import images_of_an_epoch, training_faces
from config.load import load_config
from config.row import SuiteRow
from config.suite import SuiteConfig
from evaluation.render import FORMATS

SUITE = "demo"


def run_demo(
    out: Path,
    *,
    detectors: Sequence[str] = (),
    faces: Path | None,
    seed: int,
    landmarks: Path | None,
    device: str,
    workers: int | None,
    console: Console,
) -> Path:
    """Build, preprocess, reproduce the suite `demo`, report; what an earlier call finished is kept.

    Args:
        out: folder for everything that is made.
        detectors: what is trained, each with the baseline's network and as many images (benchmark.demo.light): shipped
            detectors, or YAML files; by default the suite's rows.
        faces: photographs to use instead of the embedded stills.
        seed: of the clips and of training.
        landmarks: 81-point predictor for preprocessing.
        device: where to train and evaluate.
        workers: processes; None takes what suits each step.
        console: where progress is shown.

    Returns:
        The report's path.

    Raises:
        InputError: an unknown detector, or `out` holds what no demo made.
    """
    started = time.monotonic()
    suite = load_config(SuiteConfig, SUITE)
    lights = lightened_all(detectors or [row.detector for row in suite.rows], DATASETS[:1], seed)
    rows = tuple(SuiteRow(name=light.folder, detector=light.name) for light in lights)
    made = prepare_demo(out, faces=faces, seed=seed, landmarks=landmarks, workers=workers, console=console)
    suite = suite.model_copy(update={"rows": rows, "footnotes": (made.note,)})
    plan = plan_suite(SUITE, on_the_demo(suite, made.data, seed), made.data, out / RUNS)
    reconstruct_demo([entry.cell.config for entry in plan.trained], made.data, suite.profile, device, console)
    run_plan(plan, Machine(device, workers), console)
    outcomes = [_outcome(entry, plan.suite.threshold_on) for entry in plan.trained]
    for outcome in outcomes:
        show_results(outcome.results, console)
    readings = read_plan(plan)
    table = suite_table(plan, readings, STAMP)
    shutil.rmtree(out / "results", ignore_errors=True)  # those of other detectors would stand beside
    write_table(plan, table, readings, out)
    pages = write_pages(out, made.data, made.rows, outcomes, table, made.note, started)
    console.print(f"\n{FORMATS['md'](table)}", highlight=False, markup=False)
    console.print(f"report: {pages.report}   tables and figures: {pages.folder}", highlight=False)
    return pages.report


def _outcome(entry: Trained, threshold_on: Sequence[str]) -> Outcome:
    """What the pages show of a row."""
    cell = entry.cell
    images = images_of_an_epoch(training_faces(cell.config, cell.data, cell.profile, cell.protocol), cell.config)
    results = tuple(read_evaluated(entry.scores[name, "test", None], threshold_on) for name in DATASETS)
    return Outcome(entry.row.name, cell.folder, cell.config.nEpochs, images, results)
