"""Real processes for tests, alone or as torchrun would start several: they can be killed, and their words are kept."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed import TCPStore

from benchmark.cli import main
from config.errors import InputError
from config.processes import join
from preprocessing.workers import worker_context

Work = Callable[..., None]
PATIENCE = 60.0


def run_all(work: Work, *arguments: Any, size: int = 1, words: Path | None = None) -> list[int]:
    """Call `work(group, *arguments)` in each of `size` processes; their exit codes.

    What they print goes to the file `words`, in the order in which they print it.
    """
    with _started(partial(_work, work, arguments), size, words) as members:
        return _codes(members)


def run_command(*arguments: object, size: int, words: Path) -> list[int]:
    """Run `assay ARGUMENTS` in each of `size` processes; their exit codes, and what they print as for `run_all`."""
    with _started(partial(_command, [str(argument) for argument in arguments]), size, words) as members:
        return _codes(members)


def run_killed(work: Work, *arguments: Any, size: int = 1, moments: list[float], begun: Path) -> int:
    """Start the work again and again, and kill all its processes, until it is allowed to end; how often it was killed.

    Args:
        work: as for `run_all`.
        arguments: as for `run_all`.
        size: as for `run_all`.
        moments: the seconds that each process may work for, counted from when it first touches `begun`.
        begun: a path below which the work writes files.
    """
    killed = 0
    for moment in moments:
        before = _newest(begun)
        with _started(partial(_work, work, arguments), size, None) as members:
            while _newest(begun) == before and all(member.is_alive() for member in members):
                time.sleep(0.002)
            time.sleep(moment)
            killed += any(member.is_alive() for member in members)
    assert run_all(work, *arguments, size=size) == [0] * size
    return killed


def random_moments(seed: int, count: int, longest: float) -> list[float]:
    """Seconds in [0, longest)."""
    return list(np.random.default_rng(seed).uniform(0, longest, count))


@contextmanager
def _started(call: Callable[[], None], size: int, words: Path | None) -> Iterator[list[BaseProcess]]:
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # torchrun keeps it outside of them too
    context = worker_context()
    members = [
        context.Process(target=_member, args=(rank, size, store.port, words, call))  # type: ignore[attr-defined]
        for rank in range(size)
    ]
    try:
        for member in members:
            member.start()
        yield members
    finally:
        for member in members:
            if member.is_alive():
                os.kill(member.pid, signal.SIGKILL)
            member.join()


def _codes(members: list[BaseProcess]) -> list[int]:
    until = time.monotonic() + PATIENCE
    for member in members:
        member.join(max(0.0, until - time.monotonic()))
    assert not any(member.is_alive() for member in members), "the processes wait for each other"
    return [member.exitcode for member in members]


def _newest(folder: Path) -> int:
    found = [path.stat().st_mtime_ns for path in folder.rglob("*") if path.exists()] if folder.exists() else []
    return max(found, default=0)


def _member(rank: int, size: int, port: int, words: Path | None, call: Callable[[], None]) -> None:
    if words is not None:
        file = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    call()


def _work(work: Work, arguments: tuple[Any, ...]) -> None:
    try:
        with join("cpu") as group:
            work(group, *arguments)
    except InputError as error:
        sys.stderr.write(f"assay: {error}\n")
        sys.exit(2)


def _command(arguments: list[str]) -> None:
    sys.argv = ["assay", *arguments]
    main()


def workers_of(pid: int) -> list[int]:
    """All processes below one."""

    def below(pid: int) -> Iterator[int]:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from below(int(child))

    return list(below(pid)) if Path("/proc").is_dir() else []


def gone(pids: list[int]) -> bool:
    """Whether processes end within a few seconds."""
    until = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
