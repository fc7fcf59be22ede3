"""What this process does with memory that it has freed."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of settings in glibc's malloc.h


def keep_freed_memory() -> bool:
    """Have freed memory kept for the next allocation instead of given back to the system; for as long as this runs.

    A network on a CPU allocates and frees tensors of tens of megabytes in each layer. glibc gives each back to the
    kernel, which then hands out fresh pages and clears them one by one: that can take longer than the arithmetic. Kept
    memory costs nothing but that the process stays as large as it once was.

    Returns:
        Whether it was done: only glibc, on Linux, has these settings.
    """
    if sys.platform != "linux":
        return False
    setter = getattr(ctypes.CDLL(None), "mallopt", None)
    return setter is not None and bool(setter(_MMAP_MAX, 0)) and bool(setter(_TRIM_THRESHOLD, -1))
