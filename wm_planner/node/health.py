"""The health of an input: alive, rate within limits, valid."""

from collections import deque
from typing import NamedTuple

from wm_planner.clock import NANOSECONDS, Clock, nanoseconds, seconds

STALE_PERIODS = 2
"""In realtime, inputs older than this number of control periods are stale."""

_SILENT_PERIODS = 10  # as in openpilot: dead after ten periods, rate within a fifth of the expected one
_RATE_TOLERANCE = 0.2
_WINDOW = 20


class Health(NamedTuple):
    """The health of an input at one moment.

    Attributes:
        alive: its last message is younger than ten periods.
        rate_ok: its mean rate is within 20 % of the expected rate.
        valid: its last message could be used.
    """

    alive: bool
    rate_ok: bool
    valid: bool

    @property
    def ok(self) -> bool:
        """Whether the input can be used."""
        return self.alive and self.rate_ok and self.valid


class Input:
    """Statistics of the messages received on a topic.

    Args:
        clock: monotonic wall time.
        rate_hz: expected rate; None without one (events, and lockstep): such an input is alive after its
            first message, at any rate.
    """

    def __init__(self, clock: Clock, rate_hz: float | None) -> None:
        self.rate_hz = rate_hz
        self.count = self.dropped = 0
        self._clock = clock
        self._valid = True
        self._received_ns: deque[int] = deque(maxlen=_WINDOW)

    def receive(self) -> None:
        """Count a message."""
        self.count += 1
        self._valid = True
        self._received_ns.append(self._clock.now_ns())

    def reject(self, count: int = 1) -> None:
        """Count the last messages as dropped: they could not be decoded, or their content not be used."""
        self.dropped += count
        self._valid = False

    def age_s(self) -> float:
        """Seconds since the last message; infinite before the first."""
        return seconds(self._clock.now_ns() - self._received_ns[-1]) if self._received_ns else float("inf")

    def mean_rate_hz(self) -> float:
        """The mean rate of the last messages; 0 before the second."""
        if len(self._received_ns) < 2:
            return 0.0
        return (
            (len(self._received_ns) - 1) * NANOSECONDS / max(self._received_ns[-1] - self._received_ns[0], 1)
        )

    def health(self) -> Health:
        """The health of the input now."""
        if self.rate_hz is None:
            return Health(self.count > 0, True, self._valid)
        silent = nanoseconds(self.age_s()) if self._received_ns else None
        alive = silent is not None and silent < _SILENT_PERIODS * NANOSECONDS / self.rate_hz
        rate_ok = abs(self.mean_rate_hz() / self.rate_hz - 1.0) <= _RATE_TOLERANCE
        return Health(alive, rate_ok, self._valid)
