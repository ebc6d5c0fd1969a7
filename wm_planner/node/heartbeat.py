"""The heartbeat of a node: when its loop last turned, in memory that its supervisor reads."""

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

BEAT_S: Final = 0.05
"""The loop of an idle node turns at least this often."""

_NEVER_NS = 2**63 - 1


def shared_memory() -> int:
    """A descriptor of memory for one heartbeat, which no file shows and which ends with its users."""
    descriptor = os.memfd_create("wm-heartbeat")
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return descriptor


class Heartbeat:
    """Times in shared memory, in ns of the machine's monotonic clock, on which processes agree.

    Args:
        descriptor: from `shared_memory`; -1 for memory that no other process reads.
        number: of the node, where several share a process and its loop.
    """

    def __init__(self, descriptor: int = -1, number: int = 0) -> None:
        self._slots = memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("q")
        self._number = number

    def beat(self) -> None:
        """The loop turns, and it is the turn of this node; takes less than a microsecond."""
        self._slots[2] = self._number
        self._slots[0] = time.monotonic_ns()

    @contextmanager
    def waits(self, seconds: float) -> Iterator[None]:
        """While inside, the loop may stand still for `seconds`, e.g. until another machine answers."""
        before_ns = self._slots[1]
        self._slots[1] = max(before_ns, time.monotonic_ns() + round(seconds * 1e9))
        try:
            yield
        finally:
            self.beat()
            self._slots[1] = before_ns

    def end(self) -> None:
        """The loop will not turn any more."""
        self._slots[1] = _NEVER_NS

    @property
    def last_s(self) -> float:
        """When the loop last turned; 0 before it has."""
        return self._slots[0] / 1e9

    @property
    def turn_of(self) -> int:
        """The number of the node whose turn it is."""
        return self._slots[2]

    @property
    def due_s(self) -> float:
        """From when on the next turn is due: the last one, or the end of a wait that the node has told."""
        return max(self._slots[0], self._slots[1]) / 1e9
