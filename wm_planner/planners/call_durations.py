"""Durations of recent model calls, from which a planner derives its reserve before a deadline."""

from collections import deque

import numpy as np

_WINDOW, _QUANTILE = 256, 0.99


class CallDurations:
    """Durations of the recent model calls of one planner, across plans.

    On shared cores the operating system preempts a process now and then. The slowest calls show for how
    long, and the planner stops that much before its deadline.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    def record(self, seconds: float) -> None:
        """Add the duration of one call."""
        self._recent.append(seconds)

    def p99_s(self) -> float:
        """99th percentile over the last 256 calls, in seconds; 0 before the first call."""
        return float(np.quantile(self._recent, _QUANTILE)) if self._recent else 0.0
