"""What a plan says on the terminal: each cell, whether it is there, and what it will cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import rich.box
import rich.table
from rich.console import Console
from rich.text import Text

from benchmark.suites.cells import TrainCell
from benchmark.suites.cost import Costs
from benchmark.suites.plan import Cell, Plan, State, Status, missing_sets, status
from config.figure import FacesFigure

STYLES = {State.DONE: "green", State.TO_RUN: "bold", State.WAITS: "yellow"}


@dataclass(slots=True)
class Bill:
    """What cells cost that are not there yet, and what is waited for; each cell counts once.

    Attributes:
        costs: estimates on the machine at hand.
        ahead: seconds of the cells of each state, None for an unknown number.
        reasons: what is waited for, each in a sentence.
    """

    costs: Costs
    ahead: dict[State, list[float | None]] = field(default_factory=lambda: {State.TO_RUN: [], State.WAITS: []})
    reasons: dict[str, str] = field(default_factory=dict)
    _seen: set[object] = field(default_factory=set)

    def entries(self, plan: Plan) -> Iterator[tuple[str, Cell, Status, float | None]]:
        """The cells of a plan that are not on the bill yet: each with its row, state and cost, 0 if it is done.

        A cell that several rows share is the first one's.
        """
        for figure in plan.suite.figures:
            if isinstance(figure, FacesFigure):
                self.reasons |= missing_sets([figure.test], plan.trained[0].cell)
        for name, cell in each_once(plan, self._seen):
            found = status(cell)
            seconds = 0.0 if found.state == State.DONE else self.costs.seconds(cell)
            if found.state != State.DONE:
                self.ahead[found.state].append(seconds)
            self.reasons |= found.waits_for
            yield name, cell, found, seconds

    def show(self, console: Console) -> None:
        """Print what is waited for, and the sums."""
        for reason in dict.fromkeys(self.reasons.values()):
            console.print(reason, highlight=False, markup=False)
        for state, together in self.ahead.items():
            if together:
                console.print(_sum(state, together, self.costs.name), highlight=False, markup=False)


def show_plan(plan: Plan, costs: Costs, console: Console) -> None:
    """Print a plan's cells, each once, with its state and cost, and below them what is waited for and the sums."""
    drawn = rich.table.Table(title=f"Plan of {plan.name}", box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("Row", "Cell", "On", "State", "Folder"):
        drawn.add_column(heading, overflow="fold")
    drawn.add_column("Cost", justify="right")
    bill = Bill(costs)
    for name, cell, found, seconds in bill.entries(plan):
        cost = "" if found.state == State.DONE else duration(seconds)
        kind, on = words(cell)
        state = Text(in_words(found), style=STYLES[found.state])
        drawn.add_row(Text(name), kind, Text(on), state, Text(_folder(cell, found.state)), cost)
    console.print(drawn)
    bill.show(console)
    if plan.suite.figures:
        names = ", ".join(figure.file for figure in plan.suite.figures)
        console.print(f"figures, drawn of these cells: {names}", highlight=False, markup=False)


def in_words(found: Status) -> str:
    """A cell's state, with what it waits for."""
    return f"{found.state} for {', '.join(found.waits_for)}" if found.waits_for else str(found.state)


def _sum(state: State, costs: Sequence[float | None], device: str) -> str:
    """What cells of a state cost together, in a sentence."""
    known = [seconds for seconds in costs if seconds is not None]
    unknown = len(costs) - len(known)
    more = f" but for {unknown} of unknown size" if unknown else ""
    about = f"{len(costs)} cells, about {duration(sum(known))} on {device}{more}"
    return f"{state}: {about}; by a few timed images of each network, without loading"


def duration(seconds: float | None) -> str:
    """Seconds as h:mm:ss; a dash for an unknown number."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def each_once(plan: Plan, seen: set[object] | None = None) -> Iterator[tuple[str, Cell]]:
    """All cells with their rows; one that several rows share is the first one's.

    Args:
        plan: of a suite.
        seen: what earlier plans had, whose cells are left out; those of this one are added.
    """
    seen = set() if seen is None else seen
    for entry in plan.trained:
        for cell in entry.cells:
            of = cell if isinstance(cell, TrainCell) else cell.of
            what = () if isinstance(cell, TrainCell) else (cell.test, cell.split, cell.perturb and cell.perturb.sha256)
            key = (of.config.model_dump_json(), of.profile, of.protocol, what)
            if key not in seen:
                seen.add(key)
                yield entry.row.name, cell


def words(cell: Cell) -> tuple[str, str]:
    """What kind of cell it is, and on what."""
    if isinstance(cell, TrainCell):
        return "train", " + ".join(cell.config.train_dataset)
    kind = "features" if cell.with_features else "scores"
    on = cell.test if cell.split == "test" else f"{cell.test} {cell.split}"
    return kind, f"{on}, {cell.perturb.name}" if cell.perturb else on


def _folder(cell: Cell, state: State) -> str:
    if state == State.WAITS or (not isinstance(cell, TrainCell) and not cell.of.is_done):
        return ""
    return cell.folder.name if isinstance(cell, TrainCell) else f"{cell.folder.parent.name}/{cell.folder.name}"
