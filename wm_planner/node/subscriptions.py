"""How messages reach a node's callbacks: one topic, several joined by their stamp, or unopened."""

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
_MISMATCHED_SETS = 4  # incomplete sets that wait before it is said that stamps do not match


class Port(Protocol):
    """A place where messages come in.

    Attributes:
        latest_only: of several calls that wait, only the newest is made.
        callback: takes what `open` gives.
        mismatch: why messages that came in make no call; empty where nothing is wrong.
    """

    latest_only: bool
    callback: Callable[..., None]
    mismatch: str

    def takes(self, topic: str) -> bool:
        """Whether messages of the topic belong here."""
        ...

    def offer(self, delivery: Delivery) -> tuple[Delivery, ...]:
        """Take a message in; what the next call is made of, or nothing."""
        ...

    def open(self, deliveries: tuple[Delivery, ...]) -> tuple[Any, ...]:
        """Decode a call's arguments.

        Raises:
            MessagingError: if a message is torn.
        """
        ...


class Subscription:
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
    """Several topics: `callback({topic: message}, envelope)` once one of each came with the same stamp.

    The envelope is that of the oldest origin. A set that completes is forgotten, so a repeated tick fires
    again once all of it was repeated; incomplete sets older than one that completed are dropped.

    Raises:
        NodeError: if the messages of a topic carry no stamp.
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
        """Which topic is missing, or by how much the stamps of the topics differ at least."""
        stamps = {
            topic: [stamp for stamp, gathered in self._sets.items() if topic in gathered]
            for topic in self.topics
        }
        missing = [topic for topic, found in stamps.items() if not found]
        if missing:
            return f"nothing comes on {', '.join(missing)}, which {', '.join(self.topics)} wait for"
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
    """One topic or all of them, not decoded: `callback(delivery)`."""

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
