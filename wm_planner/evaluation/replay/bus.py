"""A bus without sockets: a node reads recorded messages from it, and what it publishes is kept."""

import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wm_planner.clock import ManualClock
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.codec import Buffer, encode
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.messages import Message
from wm_planner.messaging.names import Names
from wm_planner.messaging.rejected import Rejected
from wm_planner.messaging.wire import ANY, Delivery


class Output(NamedTuple):
    """A message that the node published, in CDR bytes."""

    topic: str
    data: Buffer


class ReplayBus(Bus):
    """Stands in for the bus of one node.

    Args:
        name: of the node.
        names: of its topics in the recording.
        recorded: topics in the recording that other nodes published.

    Attributes:
        inputs: topics in the recording that the node reads.
        publishes: topics in the recording that it publishes.
        outputs: what it has published, in order.
    """

    def __init__(self, name: str, names: Names, recorded: frozenset[str]) -> None:
        self.name = name
        self.names = names
        self.clock: ManualClock = ManualClock()
        self.inputs: set[str] = set()
        self.publishes: set[str] = set()
        self.outputs: list[Output] = []
        self.publishers: dict[int, str] = {}
        self._recorded = recorded
        self._waiting: deque[Delivery] = deque()
        self._folder = tempfile.TemporaryDirectory()  # for nodes that write into their domain
        self.domain = Domain(Path(self._folder.name))

    def advertise(self, topic: str) -> None:
        self.publishes.add(self.names.on_bus(topic))

    def subscribe(self, topic: str) -> None:
        self.inputs |= self._recorded if topic == ANY else {self.names.on_bus(topic)}

    def announce(self, state: str) -> None:
        """There is no other node to tell."""

    def publish(self, topic: str, message: Message, origin_ns: int | None = None) -> None:
        self.publish_raw(topic, encode(message))

    def publish_raw(self, topic: str, data: Buffer, origin_ns: int | None = None) -> None:
        self.outputs.append(Output(self.names.on_bus(topic), data))

    def feed(self, delivery: Delivery) -> None:
        """Let the node receive a message that has its name in the recording."""
        self._waiting.append(delivery._replace(topic=self.names.in_node(delivery.topic)))

    @property
    def is_empty(self) -> bool:
        """Whether the node has received everything."""
        return not self._waiting

    def receive(self) -> Delivery | None:
        return self._waiting.popleft() if self._waiting else None

    def has_publisher(self, topic: str) -> bool:
        return self.names.on_bus(topic) in self._recorded

    @property
    def gaps(self) -> Mapping[str, int]:
        return {}

    @property
    def rejected(self) -> Rejected:
        return Rejected()

    def wait(self, timeout_s: float) -> None:
        """Nothing comes by waiting."""

    def close(self, linger_s: float = 0.0) -> None:
        """Remove what the node has kept."""
        self._folder.cleanup()
