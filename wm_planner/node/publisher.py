"""Publishers of a node."""

from typing import TYPE_CHECKING

from wm_planner.errors import NodeError
from wm_planner.messaging.codec import Buffer
from wm_planner.messaging.messages import Message

if TYPE_CHECKING:
    from wm_planner.node.node import Node


class Publisher:
    """A topic that a node publishes."""

    def __init__(self, node: "Node", topic: str) -> None:
        self.topic = topic
        self._node = node

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
        self._node.bus.publish(self.topic, message, origin_ns)

    def publish_raw(self, data: Buffer, origin_ns: int | None = None) -> None:
        """Send a message that is encoded already; see `Bus.publish_raw`.

        Raises:
            NodeError: if the node is not active.
            MessagingError: if it does not begin as CDR.
        """
        self._check_active()
        self._node.bus.publish_raw(self.topic, data, origin_ns)

    def _check_active(self) -> None:
        if self._node.state != "active":
            raise NodeError(f"node '{self._node.name}' publishes {self.topic} while {self._node.state}")
