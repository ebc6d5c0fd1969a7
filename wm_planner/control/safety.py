"""What stands between a plan and a robot: limits, a watch over the age of inputs, and holding still."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Clock, nanoseconds, seconds
from wm_planner.errors import ConfigError, ShapeError

Command = NDArray[np.float64]


class Limited(NamedTuple):
    """A command that may be sent, and which of its components had to be changed, (k,) each."""

    command: Command
    clipped: NDArray[np.bool_]


class Limits:
    """Bounds on a command vector and on how fast it may change.

    Args:
        low: (k,), e.g. joint positions in rad.
        high: (k,), same unit.
        rate: largest change a second, (k,), e.g. joint velocities in rad/s.

    Raises:
        ConfigError: if the shapes differ, a low is not below its high, or a rate is not positive.
    """

    def __init__(self, low: Command, high: Command, rate: Command) -> None:
        if not low.shape == high.shape == rate.shape or low.ndim != 1:
            raise ConfigError(
                f"limits of shapes low {low.shape}, high {high.shape}, rate {rate.shape}: "
                "wanted three vectors of one length, a number a joint"
            )
        if not (np.all(low < high) and np.all(rate > 0)):
            raise ConfigError(f"limits low {low}, high {high}, rate {rate}: wanted low < high and rate > 0")
        self.low, self.high, self.rate = low, high, rate

    def apply(self, command: Command, previous: Command, dt_s: float) -> Limited:
        """The nearest command that may be sent.

        Where the previous command is out of bounds the way back is limited in rate too: no jump. A component
        that is not finite stays where it was.

        Args:
            command: wanted, (k,).
            previous: sent (or measured) `dt_s` ago, (k,), finite.
            dt_s: time between the two, in seconds.

        Raises:
            ShapeError: for vectors of another length, or a previous command that is not finite.
        """
        if not np.isfinite(previous).all():
            raise ShapeError(
                f"the previous command or measurement is {previous.tolist()}: a rate limit needs finite "
                "numbers; do not command from a measurement that is not finite"
            )
        if command.shape != self.low.shape or previous.shape != self.low.shape:
            raise ShapeError(
                f"command of shape {command.shape} after one of shape {previous.shape}, "
                f"the limits are for {self.low.shape}: is the controller set up for another robot?"
            )
        step = self.rate * dt_s
        limited = np.where(np.isfinite(command), command, previous)
        limited = np.clip(limited, self.low, self.high)
        limited = np.clip(limited, previous - step, previous + step)
        return Limited(limited, limited != command)


class Watchdog:
    """Watches the age of one input.

    Args:
        clock: what ages are measured with.
        limit_s: the age from which the input is stale.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_ns = nanoseconds(limit_s)
        self._fed_ns: int | None = None

    def feed(self, stamp_ns: int | None = None) -> None:
        """Note an input of time `stamp_ns` (by default now); one older than the last is ignored."""
        stamp_ns = self._clock.now_ns() if stamp_ns is None else stamp_ns
        self._fed_ns = stamp_ns if self._fed_ns is None else max(self._fed_ns, stamp_ns)

    def reset(self) -> None:
        """Forget the input: stale until it is fed again."""
        self._fed_ns = None

    @property
    def age_s(self) -> float:
        """Seconds since the input, infinite if there was none."""
        return float("inf") if self._fed_ns is None else seconds(self._clock.now_ns() - self._fed_ns)

    @property
    def stale(self) -> bool:
        """Whether the input is missing, or older than the limit."""
        return self._fed_ns is None or self._clock.now_ns() - self._fed_ns > self._limit_ns


class Hold:
    """Holds still: commands the position measured when holding began.

    The position is latched, because commanding what is measured at every tick would let an arm sink.
    """

    def __init__(self) -> None:
        self._position: Command | None = None

    @property
    def active(self) -> bool:
        """Whether it holds."""
        return self._position is not None

    def at(self, measured: Command) -> Command:
        """The command that holds still, (k,); `measured` counts only when holding begins.

        Raises:
            ShapeError: if holding would begin at a position that is not finite.
        """
        if self._position is None and not np.isfinite(measured).all():
            raise ShapeError(f"cannot begin to hold at {measured.tolist()}: wanted a finite position")
        if self._position is None:
            self._position = measured.copy()
        return self._position.copy()

    def release(self) -> None:
        """Stop holding: the next hold is where the robot is then."""
        self._position = None
