"""`assay reproduce` of several suites: one after the other, whatever becomes of each, and one bill for all of them."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import rich.box
import rich.table
from rich.console import Console
from rich.text import Text

from benchmark.progress import progress
from benchmark.suites.cost import Costs
from benchmark.suites.overwrite import Overwrite
from benchmark.suites.plan import Plan, State, rows_that_fit, status
from benchmark.suites.reproduce import Place, make, plan_at
from benchmark.suites.show import Bill, duration, each_once, show_plan
from config.errors import InputError, unknown
from config.load import config_names, load_config
from config.suite import SuiteConfig

log = logging.getLogger(__name__)
PATTERN = "*"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a suite.

    Attributes:
        name: of the suite.
        plan: its plan; None if it has none.
        seconds: how long it took.
        files: of its table and figures.
        failure: why it has none, in a sentence; empty if it has.
    """

    name: str
    plan: Plan | None
    seconds: float
    files: tuple[Path, ...] = ()
    failure: str = ""


def suites_named(given: Sequence[str], only: Sequence[str] = ()) -> list[str]:
    """The suites that some names mean.

    Args:
        given: names of suites that ship with Assay, patterns of such names ("prodet_*"), or YAML files.
        only: patterns of rows' names; suites without a row that fits are left out.

    Raises:
        InputError: a name or a pattern that fits no suite, or no suite has a row that fits.
    """
    known = config_names(SuiteConfig)
    names = []
    for name in given:
        fitting = [suite for suite in known if fnmatchcase(suite, name)] if PATTERN in name else [name]
        if not fitting:
            raise unknown("suite", name, known)
        names += fitting
    suites = {name: load_config(SuiteConfig, name) for name in names}
    fitting = [name for name, suite in suites.items() if rows_that_fit(suite, only)]
    if not fitting:
        raise unknown("row", ", ".join(only), {row.name for suite in suites.values() for row in suite.rows})
    return fitting


def reproduce(
    given: Sequence[str],
    place: Place,
    *,
    only: Sequence[str] = (),
    overwrite: Overwrite = Overwrite.MISSING,
    only_plan: bool = False,
) -> bool:
    """Reproduce one suite or several, or show what there is to do.

    Args:
        given: as for `suites_named`.
        place: where.
        only: patterns of rows' names.
        overwrite: what becomes of cells that are there; of several suites only MISSING.
        only_plan: show the cells and their costs, and make none.

    Returns:
        Whether none of several suites failed.

    Raises:
        InputError: as for `suites_named`; or the only suite has no such metric, or a cell of it cannot be made.
    """
    names = suites_named(given, only)
    if len(names) == 1:
        plan = plan_at(names[0], place, only)
        if only_plan:
            show_plan(plan, Costs(place.machine.device), place.console)
        else:
            make(plan, place, overwrite)
        return True
    if overwrite != Overwrite.MISSING:
        raise InputError(f"--overwrite {overwrite}: suites have cells in common; expected a single suite")
    return show_bill(names, place, only) if only_plan else reproduce_each(names, place, only)


def reproduce_each(names: Sequence[str], place: Place, only: Sequence[str] = ()) -> bool:
    """Reproduce suites one after the other, and print at the end what became of each.

    A suite that fails, or waits for data sets, does not keep others from being made. What suites have in common is
    made by the first of them.

    Args:
        names: of the suites.
        place: where.
        only: patterns of rows' names.

    Returns:
        Whether none failed; to wait is no failure.
    """
    outcomes = []
    for number, name in enumerate(names, 1):
        place.console.rule(Text(f"{name}, {number} of {len(names)}"))
        outcomes.append(_outcome(name, place, only))
    _show_outcomes(outcomes, place.console)
    return not any(outcome.failure for outcome in outcomes)


def show_bill(names: Sequence[str], place: Place, only: Sequence[str] = ()) -> bool:
    """Print what suites need and cost together, each cell counted for the first suite that has it.

    Of a method's variants one is measured, as there are a hundred of them.

    Args:
        names: of the suites.
        place: where.
        only: patterns of rows' names.

    Returns:
        Whether all could be planned.
    """
    drawn = _table("Suite", ("Cells", "New here", *State, "Cost"))
    bill, failures = Bill(Costs(place.machine.device, apart=False)), []
    with progress("plans", place.console) as report:
        for number, name in enumerate(names, 1):
            try:
                drawn.add_row(name, *_on_bill(plan_at(name, place, only), bill))
            except InputError as error:
                failures.append(f"{name} failed: {error}")
            report(number, len(names))
    place.console.print(drawn)
    bill.show(place.console)
    _say(failures, place.console)
    return not failures


def _on_bill(plan: Plan, bill: Bill) -> tuple[str, ...]:
    """How many cells a plan has, how many of them are new on the bill, these by state, and what they cost."""
    entries = [(found.state, seconds) for _, _, found, seconds in bill.entries(plan)]
    states = [state for state, _ in entries]
    known = [seconds for _, seconds in entries if seconds is not None]
    cost = duration(sum(known)) + "+" * (len(known) < len(entries))
    counts = (sum(1 for _ in each_once(plan)), len(entries), *(states.count(state) for state in State))
    return (*map(str, counts), cost)


def _outcome(name: str, place: Place, only: Sequence[str]) -> Outcome:
    """Reproduce a suite, whatever becomes of it."""
    started, plan = time.monotonic(), None
    files: list[Path] = []
    failure = ""
    try:
        plan = plan_at(name, place, only)
        files = make(plan, place)
    except InputError as error:
        failure = str(error)
    except Exception as error:  # out of memory in one suite must not keep the others from being made
        log.exception("%s", name)
        failure = f"{type(error).__name__}: {error}"
    if failure:
        _say([f"{name} failed: {failure}"], place.console)
    return Outcome(name, plan, time.monotonic() - started, tuple(files), failure)


def _show_outcomes(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a line for each suite, and a sentence for each that failed or waits."""
    drawn = _table("Suite", ("Done", "Of", "Seconds", "Files"))
    sentences: list[str] = []
    reasons: dict[str, str] = {}
    for outcome in outcomes:
        found = [status(cell) for _, cell in each_once(outcome.plan)] if outcome.plan else []
        done = sum(each.state == State.DONE for each in found)
        drawn.add_row(outcome.name, str(done), str(len(found)), f"{outcome.seconds:,.0f}", str(len(outcome.files)))
        waited = {name: reason for each in found for name, reason in each.waits_for.items()}
        reasons |= waited
        if outcome.failure:
            sentences.append(f"{outcome.name} failed: {outcome.failure}")
        elif waited:
            sentences.append(f"{outcome.name} waits for {', '.join(waited)}")
    console.rule()
    console.print(drawn)
    _say([*sentences, *dict.fromkeys(reasons.values())], console)


def _table(first: str, numbers: Iterable[str]) -> rich.table.Table:
    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    drawn.add_column(first, no_wrap=True)
    for heading in numbers:
        drawn.add_column(heading.capitalize(), justify="right")
    return drawn


def _say(sentences: Iterable[str], console: Console) -> None:
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
