"""Respawn policy: exponential back-off, and a limit per time window."""

from collections import deque

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
MAX_RESPAWNS = 5
WINDOW_S = 60.0


class Respawns:
    """The respawns of one node: every delay is twice the one before, and a window holds a limited number."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()

    def next_delay_s(self, now_s: float) -> float | None:
        """Delay before the next respawn; None if the window already holds `MAX_RESPAWNS`."""
        while self._times_s and now_s - self._times_s[0] > WINDOW_S:
            self._times_s.popleft()
        if len(self._times_s) >= MAX_RESPAWNS:
            return None
        delay = min(_FIRST_DELAY_S * 2.0 ** len(self._times_s), _LONGEST_DELAY_S)
        self._times_s.append(now_s)
        return delay
