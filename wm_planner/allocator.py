"""What becomes of freed memory: kept for the arrays to come, not given back to the system.

Planning frees and asks for the same hundreds of kilobytes over and over. The C library gives them back each
time, and the system hands them out again page by page: more than half the time of a bicycle's plan.
"""

import ctypes
from collections.abc import Mapping

_KEPT_BYTES = 256 << 20  # free at the end of the heap
_MAPPED_BYTES = 32 << 20  # from which an array gets pages of its own; the C library takes no more
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

ENVIRONMENT: Mapping[str, str] = {
    "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(_MAPPED_BYTES),
}
"""The same for a process that is yet to start. Source: mallopt(3) of the GNU C library."""


def keep_freed_memory() -> None:
    """Have this process keep up to 256 MB that it has freed; without the GNU C library it does nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
