"""Settings of the C allocator: freed memory is kept for later arrays instead of returned to the system.

Planning frees and allocates the same hundreds of kilobytes again and again. By default the C library returns
them every time and gets them back page by page, which takes more than half of the time of a bicycle's plan.
"""

import ctypes
from collections.abc import Mapping

_KEPT_BYTES = 256 << 20  # of free memory at the end of the heap
_MAPPED_BYTES = 32 << 20  # least size of an array with its own pages; the C library allows no more
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

ENVIRONMENT: Mapping[str, str] = {
    "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(_MAPPED_BYTES),
}
"""The same settings for a process to be started. Source: mallopt(3) of the GNU C library."""


def keep_freed_memory() -> None:
    """Keep up to 256 MB of freed memory in this process; no effect without the GNU C library."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
