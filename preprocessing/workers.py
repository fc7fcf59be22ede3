"""How many worker processes there are and how they are started, for cropping, loading and scoring alike."""

import multiprocessing
import os
import sys
import threading
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

import cv2

# What workers would otherwise import one by one.
HEAVY_LIBRARIES = ["cv2", "dlib", "pandas", "torch"]


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def worker_context() -> BaseContext:
    """Workers come from a clean server process, never from a fork of this one.

    A process that has used OpenCV's or torch's threads leaves their locks to its forks, which then hang. The server
    imports the heavy libraries once, so that workers start in an instant; where there is no fork, they are spawned.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY_LIBRARIES)
    return context


def settle(number: int = 0) -> None:
    """What a worker process does first: one thread each for OpenCV and torch, as workers are the parallelism; its end.

    Workers hold both ends of the pipes that they wait on, and their parent is the server: if the process that they
    work for is killed, nothing else would tell them.

    Args:
        number: which worker, as torch's loaders say; without effect.
    """
    cv2.setNumThreads(0)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)
