"""How often and how soon a node that failed is started again."""

from collections import deque

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
MAX_RESPAWNS = 5
WINDOW_S = 60.0


class Respawns:
    """The respawns of one node: each waits twice as long as the last, and there is a most in a window."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()

    def next_delay_s(self, now_s: float) -> float | None:
        """How long to wait before the next one, or None if there were too many."""
        while self._times_s and now_s - self._times_s[0] > WINDOW_S:
            self._times_s.popleft()
        if len(self._times_s) >= MAX_RESPAWNS:
            return None
        delay = min(_FIRST_DELAY_S * 2.0 ** len(self._times_s), _LONGEST_DELAY_S)
        self._times_s.append(now_s)
        return delay
