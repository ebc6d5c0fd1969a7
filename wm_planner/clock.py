"""Clocks, which are passed in: code below the command line does not read the system time on its own."""

import math
import time
from typing import NamedTuple, Protocol

from wm_planner.errors import ConfigError

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Nanoseconds since the clock's epoch; never decreases."""
        ...


def epoch_now_ns() -> int:
    """UNIX time at which the monotonic clock of the machine was 0, as the system's time is set now."""
    return time.time_ns() - time.monotonic_ns()


_EPOCH_NS = epoch_now_ns()


class WallClock:
    """UNIX time that never steps, for stamps, deadlines, ages and periods.

    It runs with the monotonic clock: when the system's time is set, it goes on as before.

    Args:
        epoch_ns: `epoch_now_ns` of the process that started the run, so that the clocks of all its nodes
            agree; None for that of this process.
    """

    def __init__(self, epoch_ns: int | None = None) -> None:
        self._epoch_ns = _EPOCH_NS if epoch_ns is None else epoch_ns

    def now_ns(self) -> int:
        return self._epoch_ns + time.monotonic_ns()


class ManualClock:
    """A clock that only moves when it is set, for simulated time and tests."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def set_ns(self, now_ns: int) -> None:
        """Set the time to `now_ns`."""
        self._now_ns = now_ns


class Deadline(NamedTuple):
    """A time of a clock by which work must be done."""

    clock: Clock
    at_ns: int

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """The deadline `seconds` from now.

        Raises:
            ConfigError: if `seconds` is not finite.
        """
        if not math.isfinite(seconds):
            raise ConfigError(f"a deadline of {seconds} s, wanted a finite number; pass None for no deadline")
        return cls(clock, clock.now_ns() + round(seconds * NANOSECONDS))

    def left_s(self) -> float:
        """Seconds left; negative after the deadline."""
        return (self.at_ns - self.clock.now_ns()) / NANOSECONDS


def seconds(nanoseconds: int) -> float:
    """Nanoseconds as seconds."""
    return nanoseconds / NANOSECONDS


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NANOSECONDS)
