"""Subscriptions of a node: one topic, several joined by stamp, or undecoded messages."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from wm_planner.errors import NodeError
from wm_planner.messaging import codec, topics
from wm_planner.messaging.messages import STORE, Message
from wm_planner.messaging.wire import ANY, Delivery, Envelope

Callback: TypeAlias = Callable[[Message, Envelope], None]
JoinCallback: TypeAlias = Callable[[dict[str, Message], Envelope], None]
TapCallback: TypeAlias = Callable[[Delivery], None]

_STAMPED = ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")
_MAX_SETS = 16
_MISMATCHED_SETS = 4  # incomplete sets that wait before a mismatch of stamps is reported


class Subscription(Protocol):
    """Turns received messages into calls of a callback.

    Attributes:
        latest_only: of several waiting calls, only the newest is made.
        callback: called with what `open` returns.
        mismatch: why received messages lead to no call; empty if nothing is wrong.
    """

    latest_only: bool
    callback: Callable[..., None]
    mismatch: str

    def takes(self, topic: str) -> bool:
        """Whether messages of the topic belong to this subscription."""
        ...

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        """Add a message; returns the messages of the next call, if it is complete."""
        ...

    def open(self, deliveries: tuple[Delivery, ...]) -> tuple[Any, ...]:
        """Decode the arguments of a call.

        Raises:
            MessagingError: if a message is malformed.
        """
        ...


class TopicSubscription:
    """One topic: `callback(message, envelope)`."""

    mismatch = ""

    def __init__(self, topic: str, callback: Callback, latest_only: bool) -> None:
        self.topic = topic
        self.callback = callback
        self.latest_only = latest_only

    def takes(self, topic: str) -> bool:
        return topic == self.topic

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        return (delivery,)

    def open(self, deliveries: tuple[Delivery, ...]) -> tuple[Message, Envelope]:
        return deliveries[0].message(), deliveries[0].envelope


class Join:
    """Several topics: `callback({topic: message}, envelope)` for messages of all of them with the same stamp.

    The envelope is that of the oldest origin. A complete set is forgotten, so a tick that is repeated as a
    whole leads to another call; incomplete sets that are older than a complete one are dropped.

    Raises:
        NodeError: if messages of a topic have no stamp.
    """

    def __init__(self, names: Sequence[str], callback: JoinCallback, latest_only: bool) -> None:
        for name in names:
            fields = STORE.get_msgdef(topics.find(name).type).fields
            if fields[0][1][1] not in _STAMPED:
                raise NodeError(f"{name}: {topics.find(name).type} has no stamp to join by; subscribe to it")
        self.topics = tuple(names)
        self.callback = callback
        self.latest_only = latest_only
        self.mismatch = ""
        self._sets: dict[int, dict[str, Delivery]] = {}

    def takes(self, topic: str) -> bool:
        return topic in self.topics

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        stamp = codec.peek_stamp_ns(delivery.data)
        gathered = self._sets.setdefault(stamp, {})
        gathered[delivery.topic] = delivery
        if len(gathered) < len(self.topics):
            if len(self._sets) >= _MISMATCHED_SETS:
                self.mismatch = self._describe_mismatch()
            if len(self._sets) > _MAX_SETS:
                del self._sets[next(iter(self._sets))]
            return ()
        self.mismatch = ""
        self._sets = {other: waiting for other, waiting in self._sets.items() if other > stamp}
        return tuple(gathered[topic] for topic in self.topics)

    def _describe_mismatch(self) -> str:
        """The topics that are missing, or the least difference between the stamps of two topics."""
        stamps = {
            topic: [stamp for stamp, gathered in self._sets.items() if topic in gathered]
            for topic in self.topics
        }
        missing = [topic for topic, found in stamps.items() if not found]
        if missing:
            return f"no messages on {', '.join(missing)}, needed to join {', '.join(self.topics)}"
        first, *others = self.topics
        nearest = {
            topic: min(abs(stamp - other) for stamp in stamps[first] for other in stamps[topic])
            for topic in others
        }
        topic = max(nearest, key=lambda name: nearest[name])
        return (
            f"{first} and {topic} never have the same stamp, they differ by {nearest[topic] / 1e6:.3g} ms or "
            "more: their sender must stamp the messages of one tick alike"
        )

    def open(self, deliveries: tuple[Delivery, ...]) -> tuple[dict[str, Message], Envelope]:
        oldest = min((delivery.envelope for delivery in deliveries), key=lambda envelope: envelope.origin_ns)
        return {delivery.topic: delivery.message() for delivery in deliveries}, oldest


class Tap:
    """One topic or all of them, undecoded: `callback(delivery)`."""

    latest_only = False
    mismatch = ""

    def __init__(self, topic: str, callback: TapCallback) -> None:
        self.topic = topic
        self.callback = callback

    def takes(self, topic: str) -> bool:
        return self.topic in (topic, ANY)

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        return (delivery,)

    def open(self, deliveries: tuple[Delivery, ...]) -> tuple[Delivery]:
        return (deliveries[0],)
