"""Joining topics whose stamps differ a little, such as cameras that run free: ROS 2's approximate time."""

import statistics
from collections import deque
from collections.abc import Iterable, Sequence

from wm_planner.clock import nanoseconds
from wm_planner.messaging import codec
from wm_planner.messaging.wire import Delivery
from wm_planner.node.subscriptions import Join, JoinCallback

_KEPT = 32  # messages of a topic that wait
_STEPS = 9  # differences of stamps of which the median is the period
_SLOW = 1.5  # times the period of the sets: a topic with a longer period counts with its latest state
_STATE_PERIODS = 2  # age up to which a latest state is used, in periods of its topic
_MISMATCHED_PERIODS = 4  # without a set, after which the stamps are said not to meet


class _Track:
    """The messages of one topic that wait, and its period."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Delivery]] = deque(maxlen=_KEPT)
        self._steps: deque[int] = deque(maxlen=_STEPS)
        self._last: int | None = None

    def add(self, stamp_ns: int, delivery: Delivery) -> None:
        """Add a message; where the clock went back, those before it are forgotten."""
        if self._last is not None and stamp_ns < self._last:
            self.waiting.clear()
            self._steps.clear()
        elif self._last is not None and stamp_ns > self._last:
            self._steps.append(stamp_ns - self._last)
        self._last = stamp_ns
        self.waiting.append((stamp_ns, delivery))

    @property
    def period_ns(self) -> int | None:
        """The median period; None before the second message."""
        return round(statistics.median(self._steps)) if self._steps else None

    def nearest(self, stamp_ns: int) -> tuple[int, Delivery]:
        """The waiting message next to a time; of several with one stamp, the newest."""
        return min(reversed(self.waiting), key=lambda each: abs(each[0] - stamp_ns))

    def drop(self, until_ns: int) -> None:
        """Drop what is not newer than a time."""
        while self.waiting and self.waiting[0][0] <= until_ns:
            self.waiting.popleft()


class ApproximateJoin(Join):
    """Several topics: `callback({topic: message}, envelope)` for messages with about the same stamp.

    Each message is in one set at most, and all stamps of a set lie within `slop_s` of its middle. A topic
    that is slower than the sets are expected is not waited for: its latest state counts, up to an age of two
    of its periods. Until two messages of every topic have arrived, only equal stamps are joined.

    Args:
        names: of the topics.
        callback: called with each set; the envelope is that of the oldest origin.
        latest_only: of several waiting sets, only the newest is delivered.
        period_s: expected between two sets; None if every topic is to be waited for.
        slop_s: None for half the period of the fastest topic.

    Raises:
        NodeError: if messages of a topic have no stamp.
    """

    def __init__(
        self,
        names: Sequence[str],
        callback: JoinCallback,
        latest_only: bool,
        period_s: float | None = None,
        slop_s: float | None = None,
    ) -> None:
        super().__init__(names, callback, latest_only)
        self._period_ns = None if period_s is None else nanoseconds(period_s)
        self._slop_ns = None if slop_s is None else nanoseconds(slop_s)
        self._tracks = {name: _Track() for name in names}
        self._joined_ns: int | None = None  # stamp of the last set, or of the first message

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        stamp_ns = codec.peek_stamp_ns(delivery.data)
        self._tracks[delivery.topic].add(stamp_ns, delivery)
        if self._joined_ns is None or stamp_ns < self._joined_ns:
            self._joined_ns = stamp_ns
        chosen = self._match()
        if not chosen:
            self._look_for_mismatch(stamp_ns)
            return ()
        self.mismatch, self._joined_ns = "", stamp_ns
        return tuple(chosen[topic] for topic in self.topics)

    def _match(self) -> dict[str, Delivery]:
        """The messages of the next set, which wait no longer; empty before it is complete."""
        if not all(track.waiting for track in self._tracks.values()):
            return {}
        slow = self._slow()
        pacing = {topic: track for topic, track in self._tracks.items() if topic not in slow}
        pivot = min(track.waiting[-1][0] for track in pacing.values())
        found = {topic: track.nearest(pivot) for topic, track in self._tracks.items()}
        stamps = [found[topic][0] for topic in pacing]
        if max(stamps) - min(stamps) > 2 * (self._slop() or 0):
            return {}
        for topic in slow:
            period_ns = self._tracks[topic].period_ns or 0
            if abs(found[topic][0] - pivot) > _STATE_PERIODS * period_ns:
                return {}
        for topic, track in self._tracks.items():
            track.drop(found[topic][0] - (topic in slow))  # the state of a slow topic may serve again
        return {topic: delivery for topic, (_, delivery) in found.items()}

    def _slow(self) -> set[str]:
        """The topics that count with their latest state."""
        periods = {topic: track.period_ns for topic, track in self._tracks.items()}
        known = [period for period in periods.values() if period is not None]
        if self._period_ns is None or not known:
            return set()
        limit = _SLOW * max(self._period_ns, min(known))
        return {topic for topic, period in periods.items() if period is not None and period > limit}

    def _slop(self) -> int | None:
        """How far stamps may lie from the middle of their set; None while a period is not known."""
        periods = [track.period_ns for track in self._tracks.values()]
        if self._slop_ns is not None:
            return self._slop_ns
        known = [period for period in periods if period is not None]
        return None if len(known) < len(periods) else min(known) // 2

    def _look_for_mismatch(self, stamp_ns: int) -> None:
        """Describe what is wrong if no set has been complete for some periods."""
        periods = [track.period_ns or 0 for track in self._tracks.values()]
        patience_ns = _MISMATCHED_PERIODS * max([self._period_ns or 0, *periods])
        has_waited = self._joined_ns is not None and patience_ns and stamp_ns - self._joined_ns > patience_ns
        is_apart = all(len(track.waiting) > _MISMATCHED_PERIODS for track in self._tracks.values())
        if has_waited or is_apart:
            missing = [topic for topic, track in self._tracks.items() if not track.waiting]
            self.mismatch = self._describe_missing(missing) if missing else self._describe_offsets()

    def _describe_missing(self, missing: Iterable[str]) -> str:
        return f"no messages on {', '.join(missing)}, needed to join {', '.join(self.topics)}"

    def _describe_offsets(self) -> str:
        """The distance of each topic's stamps from those of the first one."""
        first, *others = self.topics
        newest = self._tracks[first].waiting[-1][0]
        offsets = ", ".join(
            f"those of {topic} by {(self._tracks[topic].nearest(newest)[0] - newest) / 1e6:+.3g} ms"
            for topic in others
        )
        slop = self._slop()
        limit = "equal ones are needed" if slop is None else f"at most {2 * slop / 1e6:.3g} ms are joined"
        return (
            f"stamps never meet those of {first}: {offsets}; {limit}: "
            "do the senders take their stamps from one clock?"
        )
