"""`assay reproduce`: makes the cells of a suite that are missing, and its table of those that are there."""

import shutil
from dataclasses import dataclass

from rich.console import Console

from benchmark.evaluate import evaluate_weights
from benchmark.robustness import evaluate_perturbed
from benchmark.scoring import ScoringOptions
from benchmark.suites.cells import PRECISION, Address, ScoreCell, TrainCell
from benchmark.suites.overwrite import Overwrite
from benchmark.suites.plan import Plan, State, status
from benchmark.train import train_detector
from config.errors import InputError


@dataclass(frozen=True, slots=True)
class Machine:
    """Where cells are made.

    Attributes:
        device: as for `assay train` and `assay evaluate`.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
    """

    device: str = "auto"
    workers: int | None = None


def run_plan(plan: Plan, machine: Machine, console: Console, overwrite: Overwrite = Overwrite.MISSING) -> None:
    """Make the cells that can be made. One that a kill interrupted is gone on with, one that is there is kept.

    Args:
        plan: the plan.
        machine: where to run.
        console: where progress is shown.
        overwrite: MISSING makes what is missing, ALWAYS makes everything anew, NEVER stops at a cell that is there,
            ONLY_CACHE makes nothing.

    Raises:
        InputError: a cell that must not be overwritten is there, or a cell cannot be made.
    """
    if overwrite == Overwrite.ONLY_CACHE:
        return
    if overwrite == Overwrite.NEVER:
        _refuse_finished(plan)
    if overwrite == Overwrite.ALWAYS:
        _forget(plan)
    for entry in plan.trained:
        if status(entry.cell).state == State.TO_RUN:
            _train(entry.cell, machine, console)
        for cell in entry.scores.values():
            if status(entry.cell).state == State.DONE and status(cell).state == State.TO_RUN:
                _score(cell, machine, console)


def _train(cell: TrainCell, machine: Machine, console: Console) -> None:
    Address.withdraw(cell.folder)
    train_detector(
        cell.detector,
        cell.data,
        cell.folder,
        profile=cell.profile,
        protocol=cell.protocol,
        overrides=cell.overrides,
        resume=True,
        device=machine.device,
        workers=machine.workers,
        console=console,
    )
    cell.address.write(cell.folder)


def _score(cell: ScoreCell, machine: Machine, console: Console) -> None:
    of = cell.of
    Address.withdraw(cell.scores.parent)
    options = ScoringOptions(
        of.data,
        console,
        cell.folder,
        profile=of.profile,
        protocol=of.protocol,
        precision=PRECISION,
        device=machine.device,
        workers=machine.workers,
        features=cell.with_features,
        show=False,
    )
    if cell.perturb is None:
        evaluate_weights(of.folder, [cell.test], options, split=cell.split)
    else:
        evaluate_perturbed(of.folder, [cell.test], [cell.perturb], options, split=cell.split)
    cell.address.write(cell.scores.parent)


def _refuse_finished(plan: Plan) -> None:
    for cell in plan.cells:
        if status(cell).state == State.DONE:
            folder = cell.folder if isinstance(cell, TrainCell) else cell.scores.parent
            raise InputError(f"--overwrite never: {folder} is there already")


def _forget(plan: Plan) -> None:
    """Remove the runs of a plan, and with each its scores."""
    for entry in plan.trained:
        if status(entry.cell).state != State.WAITS:
            shutil.rmtree(entry.cell.folder, ignore_errors=True)
