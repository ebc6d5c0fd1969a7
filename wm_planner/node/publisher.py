"""Publishers of a node."""

from collections.abc import Callable

from wm_planner.errors import NodeError
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.codec import Buffer
from wm_planner.messaging.messages import Message


class Publisher:
    """A topic that a node publishes.

    Args:
        topic: its name.
        bus: of the node.
        state: returns the lifecycle state of the node.
    """

    def __init__(self, topic: str, bus: Bus, state: Callable[[], str]) -> None:
        self.topic = topic
        self._bus, self._state = bus, state

    def publish(self, message: Message, origin_ns: int | None = None) -> None:
        """Send a message.

        Args:
            message: of the topic's type.
            origin_ns: `origin_ns` of the envelope that it derives from; None for sensor input.

        Raises:
            NodeError: if the node is not active.
            MessagingError: if it is of another type or malformed.
        """
        self._check_active()
        self._bus.publish(self.topic, message, origin_ns)

    def publish_raw(self, data: Buffer, origin_ns: int | None = None) -> None:
        """Send a message that is encoded already; see `Bus.publish_raw`.

        Raises:
            NodeError: if the node is not active.
            MessagingError: if it does not begin as CDR.
        """
        self._check_active()
        self._bus.publish_raw(self.topic, data, origin_ns)

    def _check_active(self) -> None:
        if (state := self._state()) != "active":
            raise NodeError(f"node '{self._bus.name}' publishes {self.topic} while {state}")
