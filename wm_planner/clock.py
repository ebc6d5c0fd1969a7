"""Time is passed in: nothing below the command line asks the system for it on its own."""

import math
import time
from typing import NamedTuple, Protocol

from wm_planner.errors import ConfigError

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Nanoseconds since this clock's epoch; never runs backwards."""
        ...


class WallClock:
    """The machine's monotonic clock: for deadlines, ages and periods."""

    def now_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands until it is set: simulated time, and tests."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def set_ns(self, now_ns: int) -> None:
        """Move the clock to `now_ns`."""
        self._now_ns = now_ns


class Deadline(NamedTuple):
    """A moment of a clock by which work must be done."""

    clock: Clock
    at_ns: int

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """The deadline `seconds` from now.

        Raises:
            ConfigError: if that is no finite number.
        """
        if not math.isfinite(seconds):
            raise ConfigError(f"a deadline of {seconds} s, wanted a finite number; pass None to have none")
        return cls(clock, clock.now_ns() + round(seconds * NANOSECONDS))

    def left_s(self) -> float:
        """Seconds left; negative once it is past."""
        return (self.at_ns - self.clock.now_ns()) / NANOSECONDS


def seconds(nanoseconds: int) -> float:
    """Nanoseconds as seconds."""
    return nanoseconds / NANOSECONDS


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NANOSECONDS)
