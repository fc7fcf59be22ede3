"""How many worker processes there are and how they are started, for cropping, loading and scoring alike."""

import multiprocessing
import os
from multiprocessing.context import BaseContext

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
