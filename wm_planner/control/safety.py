"""Safety between a plan and a robot: command limits, a watchdog for stale inputs, and holding position."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Clock, nanoseconds, seconds
from wm_planner.errors import ConfigError, ShapeError

Command = NDArray[np.float64]


class Limited(NamedTuple):
    """A command within its limits.

    Attributes:
        command: (k,).
        clipped: which components were changed, (k,).
    """

    command: Command
    clipped: NDArray[np.bool_]


class Limits:
    """Bounds on a command vector and on its rate of change.

    Args:
        low: lower bounds, (k,), e.g. joint positions in rad.
        high: upper bounds, (k,), in the same unit.
        rate: largest change per second, (k,), e.g. joint velocities in rad/s.
        coupled: number of leading components that slow down together, e.g. the joints of an arm: if each
            were limited on its own, the tool would leave its path.

    Raises:
        ConfigError: if the shapes differ, a low is not below its high, or a rate is not positive.
    """

    def __init__(self, low: Command, high: Command, rate: Command, coupled: int = 0) -> None:
        if not low.shape == high.shape == rate.shape or low.ndim != 1:
            raise ConfigError(
                f"limits of shapes low {low.shape}, high {high.shape}, rate {rate.shape}: "
                "wanted three vectors of the same length, one value per joint"
            )
        if not (np.all(low < high) and np.all(rate > 0)):
            raise ConfigError(f"limits low {low}, high {high}, rate {rate}: wanted low < high and rate > 0")
        self.low, self.high, self.rate, self.coupled = low, high, rate, coupled

    def apply(self, command: Command, previous: Command, dt_s: float) -> Limited:
        """The admissible command closest to `command`, of coupled components the closest on a straight line.

        If the previous command is out of bounds, the return into the bounds is rate-limited too, without a
        jump. Non-finite components keep their previous value.

        Args:
            command: the desired command, (k,).
            previous: sent (or measured) `dt_s` ago, (k,), finite.
            dt_s: time between the two, in seconds.

        Raises:
            ShapeError: for vectors of another length, or a previous command that is not finite.
        """
        if not np.isfinite(previous).all():
            raise ShapeError(
                f"the previous command or measurement is {previous.tolist()}, wanted finite values: a rate "
                "limit needs them"
            )
        if command.shape != self.low.shape or previous.shape != self.low.shape:
            raise ShapeError(
                f"command of shape {command.shape} after one of shape {previous.shape}, "
                f"the limits are for {self.low.shape}: is the controller set up for another robot?"
            )
        step = self.rate * dt_s
        limited = np.where(np.isfinite(command), command, previous)
        limited = np.clip(limited, self.low, self.high)
        together = slice(self.coupled)
        change = limited[together] - previous[together]
        excess = float(np.max(np.abs(change) / step[together], initial=0.0)) if dt_s > 0 else 0.0
        if excess > 1:
            limited[together] = previous[together] + change / excess
        limited = np.clip(limited, previous - step, previous + step)
        return Limited(limited, limited != command)


class Watchdog:
    """Monitors the age of one input.

    Args:
        clock: measures the age.
        limit_s: age beyond which the input is stale, in seconds.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_ns = nanoseconds(limit_s)
        self._fed_ns: int | None = None

    def feed(self, stamp_ns: int | None = None) -> None:
        """Record an input stamped `stamp_ns` (by default now); ignored if it is older than the last one."""
        stamp_ns = self._clock.now_ns() if stamp_ns is None else stamp_ns
        self._fed_ns = stamp_ns if self._fed_ns is None else max(self._fed_ns, stamp_ns)

    def reset(self) -> None:
        """Forget the input, which is stale until the next `feed`."""
        self._fed_ns = None

    @property
    def age_s(self) -> float:
        """Age of the last input in seconds; infinite before the first."""
        return float("inf") if self._fed_ns is None else seconds(self._clock.now_ns() - self._fed_ns)

    @property
    def stale(self) -> bool:
        """Whether there was no input yet, or the last one is older than the limit."""
        return self._fed_ns is None or self._clock.now_ns() - self._fed_ns > self._limit_ns


class Hold:
    """Holds the position that was measured when holding began.

    The position is latched, because commanding the measured position at every tick would let an arm sag.
    """

    def __init__(self) -> None:
        self._position: Command | None = None

    @property
    def active(self) -> bool:
        """Whether a position is held."""
        return self._position is not None

    def at(self, measured: Command) -> Command:
        """The held position as a command, (k,).

        Args:
            measured: current position, (k,); latched if nothing is held yet.

        Raises:
            ShapeError: if holding would begin at a position that is not finite.
        """
        if self._position is None and not np.isfinite(measured).all():
            raise ShapeError(f"cannot hold the position {measured.tolist()}, wanted finite values")
        if self._position is None:
            self._position = measured.copy()
        return self._position.copy()

    def release(self) -> None:
        """Stop holding; the next call of `at` latches a new position."""
        self._position = None
