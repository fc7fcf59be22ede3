"""Engines: who runs the workers that clips are handed to. Each gives results in the order of the clips."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from config.errors import InputError, unknown
from preprocessing.workers import settle, worker_context

T = TypeVar("T")
R = TypeVar("R")
Start = Callable[[], Callable[[T], R]]
"""Called once by each worker; what it returns is called with each item."""
Engine = Callable[[Start[T, R], Iterable[T], int], Iterator[tuple[T, R]]]

IN_FLIGHT = 4  # items for each worker, so that none waits for the writer and few results wait in memory


def run_local(start: Start[T, R], items: Iterable[T], workers: int) -> Iterator[tuple[T, R]]:
    """Worker processes of this machine; with one worker, this process itself.

    Raises:
        InputError: a worker died.
    """
    if workers <= 1:
        work = start()
        yield from ((item, work(item)) for item in items)
        return
    with ProcessPoolExecutor(workers, worker_context(), _Worker.start, (start,)) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(_Worker.run, item)))
                if len(waiting) >= workers * IN_FLIGHT:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()
        except BrokenProcessPool:
            raise InputError(
                "a worker process was killed (out of memory?); what is done is kept: run again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_ray(start: Start[T, R], items: Iterable[T], workers: int) -> Iterator[tuple[T, R]]:
    """Actors on a Ray cluster, that of RAY_ADDRESS or one of this machine's own; media must be at the same path on all.

    Raises:
        InputError: Ray is not installed, or an actor died and could not be started again.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install 'assay-deepfake[ray]'") from None
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    try:
        actor = ray.remote(num_cpus=1, max_restarts=3, max_task_retries=3)(_Actor)
        actors: list[Any] = [actor.remote(start) for _ in range(max(1, workers))]
        waiting: deque[tuple[T, Any]] = deque()
        for number, item in enumerate(items):
            waiting.append((item, actors[number % len(actors)].run.remote(item)))
            if len(waiting) >= len(actors) * IN_FLIGHT:
                first, result = waiting.popleft()
                yield first, ray.get(result)
        for first, result in waiting:
            yield first, ray.get(result)
    except ray.exceptions.RayActorError as error:
        raise InputError(f"a Ray worker died; what is done is kept: {str(error).splitlines()[0]}") from None
    finally:
        if started_here:
            ray.shutdown()


ENGINES: dict[str, Engine[Any, Any]] = {"local": run_local, "ray": run_ray}


def engine_named(name: str) -> Engine[Any, Any]:
    """The engine of a name.

    Raises:
        InputError: there is none.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    return ENGINES[name]


class _Worker:
    """A worker process of `run_local`."""

    work: Callable[[Any], Any]

    @classmethod
    def start(cls, start: Start[Any, Any]) -> None:
        settle()
        cls.work = staticmethod(start())

    @classmethod
    def run(cls, item: Any) -> Any:
        return cls.work(item)


class _Actor:
    """A worker of `run_ray`."""

    def __init__(self, start: Start[Any, Any]) -> None:
        self.work = start()

    def run(self, item: Any) -> Any:
        return self.work(item)
