"""What a deadline must leave time for: the slowest of the recent model calls."""

from collections import deque

import numpy as np

_REMEMBERED, _SLOW = 256, 0.99


class Pace:
    """Durations of recent model calls, over many plans of one planner.

    A process that shares its cores is interrupted now and then for as long as the others take. A call that
    was interrupted tells how long that is, so plans end that much before their deadline.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float) -> None:
        """Remember a call."""
        self._recent.append(seconds)

    def slow_s(self) -> float:
        """The 99th percentile of the last 256 calls, in seconds; 0 before the first."""
        return float(np.quantile(self._recent, _SLOW)) if self._recent else 0.0
