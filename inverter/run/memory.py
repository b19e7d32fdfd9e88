"""Memory of this process: keep what is freed, when garbage is collected, and what was resident at most.

glibc returns every large tensor to the kernel and pays for new pages each step.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse freed tensors; peak memory stays the same, training on a CPU gets faster.

    Returns:
        Whether it took effect; other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(
        mallopt(option, value) == 1
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, 64 << 20))
    )


@contextmanager
def importing() -> Iterator[None]:
    """For the import of large libraries, a sixth of which would go into looking for garbage: there is none.

    Nothing is collected inside, and what was there at the end of the first time is not looked through afterwards.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if not gc.get_freeze_count():  # a second time would also keep what has become garbage since
            gc.freeze()
            atexit.register(gc.unfreeze)  # libraries report what is not collected at exit as leaked
    finally:
        if enabled:
            gc.enable()


def peak_memory() -> int:
    """Bytes that this process had resident at most.

    On Linux from ``/proc``: ``getrusage`` there also counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.is_file() and (match := re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(match[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
