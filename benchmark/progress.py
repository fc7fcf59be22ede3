"""Progress of long work: a bar on a terminal, a line for each tenth elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[int, int], None]


@contextmanager
def progress(label: str, console: Console) -> Iterator[Report]:
    """A callback taking (done, total) that shows how far `label` is."""
    if not console.is_terminal:
        yield _plain(label, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain(label: str, console: Console) -> Report:
    started = time.monotonic()
    tenths_said = 0

    def report(done: int, total: int) -> None:
        nonlocal tenths_said
        tenths = 10 * done // max(total, 1)
        if tenths > tenths_said:
            tenths_said = tenths
            console.print(f"{label}: {done} of {total} ({time.monotonic() - started:.0f} s)", highlight=False)

    return report
