"""Timers of nodes."""

from collections.abc import Callable

from wm_planner.clock import Clock, nanoseconds, seconds


class Timer:
    """A callback every `period_s` of wall time, in both modes; missed periods are skipped.

    Attributes:
        failures: number of calls that failed.
        is_late: the last call came more than a period late and the one before did not. The process had no
            core or was busy, so messages may still be on their way to it: the next call may judge.
    """

    def __init__(self, clock: Clock, period_s: float, callback: Callable[[], None]) -> None:
        self.period_s = period_s
        self.callback = callback
        self.failures = 0
        self._clock = clock
        self._due_ns = 0
        self.is_late = False
        self.restart()

    def restart(self) -> None:
        """Restart the current period now."""
        self._due_ns = self._clock.now_ns() + nanoseconds(self.period_s)

    def left_s(self) -> float:
        """Seconds until the callback is due."""
        return seconds(self._due_ns - self._clock.now_ns())

    @property
    def name(self) -> str:
        """The name of the callback."""
        return getattr(self.callback, "__name__", type(self.callback).__name__)

    def take_turn(self) -> bool:
        """Whether the callback is due now; if so, the next period begins."""
        now_ns = self._clock.now_ns()
        if now_ns < self._due_ns:
            return False
        period_ns = nanoseconds(self.period_s)
        self.is_late = not self.is_late and now_ns - self._due_ns > period_ns
        self._due_ns += ((now_ns - self._due_ns) // period_ns + 1) * period_ns
        return True
