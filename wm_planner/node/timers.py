"""Timers of nodes."""

from collections.abc import Callable, Iterator

from wm_planner.clock import Clock, nanoseconds, seconds
from wm_planner.node.refusals import Refusals


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


class Timers:
    """The timers of a node, of which one that fails does not end it.

    Args:
        refusals: of the node; says which errors end it.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._timers: list[Timer] = []

    def __iter__(self) -> Iterator[Timer]:
        return iter(self._timers)

    def add(self, timer: Timer) -> Timer:
        """Add a timer, and return it."""
        self._timers.append(timer)
        return timer

    def restart(self) -> None:
        """Restart all periods now."""
        for timer in self._timers:
            timer.restart()

    def left_s(self) -> float:
        """Seconds until the next timer is due."""
        return min(timer.left_s() for timer in self._timers)

    def fire_if_due(self, timer: Timer) -> None:
        """Call a timer's callback if its period is over; one that fails is called again after the next."""
        if not timer.take_turn():
            return
        error, what = self._refusals.attempt(timer.callback), f"timer {timer.name}"
        if error is None:
            self._refusals.end(timer)
        else:
            timer.failures += 1
            self._refusals.add(timer, error, f"{what} failed", f"{what} works again")

    @property
    def failures(self) -> dict[str, str]:
        """The numbers of failed calls to show on /diagnostics, without timers that never failed."""
        return {
            f"timer {timer.name} failures": str(timer.failures) for timer in self._timers if timer.failures
        }
