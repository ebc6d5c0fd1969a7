"""The rate of a topic, from the times at which its messages were published."""

from collections import deque
from itertools import pairwise

from wm_planner.clock import seconds
from wm_planner.config import Config
from wm_planner.messaging.wire import Delivery


class Rate(Config, frozen=True, kw_only=True):
    """The rate of the last messages.

    Attributes:
        messages: number since the start.
        mean_hz, shortest_s, longest_s: of the last messages; 0 before the second.
        bytes_per_s: of the last messages.
        lost: number of messages that did not arrive.
    """

    messages: int
    mean_hz: float
    shortest_s: float
    longest_s: float
    bytes_per_s: float
    lost: int


class RateMeter:
    """Measures the rate of a topic.

    Args:
        window: number of messages that a rate is computed from.
    """

    def __init__(self, window: int) -> None:
        self._window: deque[tuple[int, int]] = deque(maxlen=window)
        self._last: dict[int, int] = {}
        self._messages = self._lost = 0

    def add(self, delivery: Delivery) -> None:
        """Count a message."""
        envelope = delivery.envelope
        last = self._last.get(envelope.publisher_id)
        self._lost += 0 if last is None else max(0, envelope.sequence - last - 1)
        self._last[envelope.publisher_id] = envelope.sequence
        self._messages += 1
        self._window.append((envelope.publish_ns, len(delivery.data)))

    def rate(self) -> Rate:
        """The rate now."""
        times = [seconds(publish_ns) for publish_ns, _ in self._window]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        span_s = max(times[-1] - times[0], 1e-9) if gaps else 0.0
        return Rate(
            messages=self._messages,
            mean_hz=len(gaps) / span_s if gaps else 0.0,
            shortest_s=min(gaps, default=0.0),
            longest_s=max(gaps, default=0.0),
            bytes_per_s=sum(size for _, size in list(self._window)[1:]) / span_s if gaps else 0.0,
            lost=self._lost,
        )
