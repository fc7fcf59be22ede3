"""What a run tells: loss terms averaged without waiting for the device, log.jsonl, TensorBoard, and the terminal."""

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from config.errors import InputError
from config.processes import ALONE, Group
from training.errors import TrainingError

T = TypeVar("T")
Means = dict[str, float]
Sums = dict[str, tuple[float, int]]


class Meter:
    """Means of scalars over the steps since the last line of the log, and over the epoch.

    Scalars stay on the device until `flush`, so that a step never waits for the one before it.

    Args:
        group: processes over which the scalars are averaged too; all flush at the same steps.
    """

    def __init__(self, group: Group = ALONE) -> None:
        self._group = group
        self._pending: list[tuple[int, list[str], Tensor]] = []
        self._window: Sums = {}
        self._epoch: Sums = {}

    def add(self, step: int, losses: Mapping[str, Tensor], metrics: Mapping[str, Tensor]) -> None:
        """Take in the scalars of a step; all losses must be finite."""
        names = [f"loss/{name}" for name in losses] + [f"train/{name}" for name in metrics]
        values = torch.stack([value.detach().float() for value in (*losses.values(), *metrics.values())])
        self._pending.append((step, names, values))

    def flush(self) -> None:
        """Fetch what is still on the device.

        Raises:
            TrainingError: a loss was not finite; names the first step at which.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        means = self._group.mean(torch.cat([values for _, _, values in pending])).tolist()
        for step, names, values in pending:
            of_step, means = means[: len(values)], means[len(values) :]
            for name, value in zip(names, of_step, strict=True):
                if name.startswith("loss/") and not math.isfinite(value):
                    loss = name.removeprefix("loss/")
                    raise TrainingError(f"training stopped: at step {step} the loss '{loss}' became {value}")
                if math.isnan(value):
                    continue  # a metric that this step does not have, such as the AUC of a batch of one class
                for sums in (self._window, self._epoch):
                    total, count = sums.get(name, (0.0, 0))
                    sums[name] = (total + value, count + 1)

    def window(self) -> Means:
        """Means since this was last asked; starts anew."""
        sums, self._window = self._window, {}
        return _means(sums)

    def epoch(self) -> Means:
        """Means since this was last asked; starts both anew."""
        sums, self._epoch, self._window = self._epoch, {}, {}
        return _means(sums)

    def state_dict(self) -> dict[str, Sums]:
        """The sums so far, flushed ones only."""
        return {"window": dict(self._window), "epoch": dict(self._epoch)}

    def load_state_dict(self, state: Mapping[str, Sums]) -> None:
        """Go on from `state_dict`."""
        self._window, self._epoch = dict(state["window"]), dict(state["epoch"])


class Journal:
    """log.jsonl, one object per line, and the same numbers for TensorBoard where that is installed.

    Args:
        path: the file; TensorBoard's go into the folder `tensorboard` beside it.
        size: bytes to keep of a file that is there; what a killed run wrote after its last state is written again.
        step: the step that the run goes on from.

    Raises:
        InputError: the file cannot be written, now or at any later line.
    """

    def __init__(self, path: Path, size: int = 0, step: int = 0) -> None:
        self._path = path
        with self._writing():
            self._file = path.open("ab")
            self._file.truncate(size)
        self._board = _tensorboard(path.parent / "tensorboard", step)

    @property
    def size(self) -> int:
        """Bytes written and safe on disk."""
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._file.seek(0, os.SEEK_END)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line: `kind` ("step" or "epoch"), the number of steps done, named values; NaN is written as null."""
        finite = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
        line = json.dumps({"kind": kind, "step": step, **finite}, ensure_ascii=False, allow_nan=False)
        with self._writing():
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        if self._board is not None:
            for name, value in finite.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Close the files."""
        with self._writing():
            self._file.close()
        if self._board is not None:
            self._board.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror or error}") from error


class NoJournal:
    """What a process keeps that does not lead: nothing."""

    size = 0

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Pass over a line."""

    def close(self) -> None:
        """Nothing is open."""


class Display:
    """A progress bar on a terminal, plain lines elsewhere.

    Args:
        console: where to; default stderr.
        epochs: how many epochs the run has.
    """

    def __init__(self, console: Console | None, epochs: int) -> None:
        self._console = console or Console(stderr=True)
        self._epochs = epochs
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()

    def start_epoch(self, epoch: int, batches: int, position: int) -> None:
        """Begin an epoch at its `position`-th batch."""
        self._begin(f"epoch {epoch + 1}/{self._epochs}", batches, position)

    def look(self, epoch: int, batches: Iterable[T], total: int) -> Iterator[T]:
        """Hand on the batches that a method looks at outside of the steps: on a bar, or with a line for each tenth.

        Args:
            epoch: whose batches they are.
            batches: what is handed on.
            total: how many there are.
        """
        label = f"looking at the batches of epoch {epoch + 1}"
        self._begin(label, total)
        for done, batch in enumerate(batches, 1):
            yield batch
            self.advance(1)
            if not self._console.is_terminal and 10 * done // total > 10 * (done - 1) // total:
                self.line(f"{label}: {done} of {total}")

    def advance(self, batches: int) -> None:
        """Some batches are done."""
        if self._task is not None:
            self._bar.advance(self._task, batches)

    def step(self, epoch: int, step: int, values: Mapping[str, Any]) -> None:
        """Show a step's values: beside the bar, or as a line."""
        if self._console.is_terminal and self._task is not None:
            self._bar.update(self._task, note=summary(values))
        else:
            self.line(f"epoch {epoch + 1}/{self._epochs}  step {step}  {summary(values)}")

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _begin(self, description: str, total: int, done: int = 0) -> None:
        """Replace the bar."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(description, total=total, completed=done, note="")


class Rate:
    """Images per second since it was last asked."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._images = 0

    def add(self, images: int) -> None:
        """Some images are done."""
        self._images += images

    def take(self) -> float:
        """Images per second; starts anew."""
        now = time.perf_counter()
        rate = self._images / max(now - self._start, 1e-9)
        self._start, self._images = now, 0
        return rate


def summary(values: Mapping[str, Any]) -> str:
    """Named numbers in one line, with the digits that one reads.

    Of a quantity with several values, such as "train/usage/3", the log and TensorBoard alone have them.
    """
    shown = {name: value for name, value in values.items() if isinstance(value, float) and name.count("/") < 2}
    return "  ".join(
        f"{name} {value:.1f}" if name == "img/s" else f"{name} {value:.4g}" for name, value in shown.items()
    )


def _means(sums: Sums) -> Means:
    return {name: total / count for name, (total, count) in sums.items()}


def _tensorboard(folder: Path, step: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
