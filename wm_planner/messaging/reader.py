"""The reading side of a bus: one SUB socket, connected to every publisher of its topics."""

import struct
from collections import Counter, deque
from collections.abc import Mapping

import msgspec
import zmq

from wm_planner.errors import MessagingError
from wm_planner.messaging.leases import Leases
from wm_planner.messaging.rejected import Rejected
from wm_planner.messaging.shared_memory import REFERENCE
from wm_planner.messaging.subscribers import OFFERED, REFERRED, SHARED
from wm_planner.messaging.wire import (
    ANY,
    MAX_MESSAGE_BYTES,
    Delivery,
    Envelope,
    frames_of,
)

_NOBLOCK, _EVENTS, _POLLIN = int(zmq.NOBLOCK), int(zmq.EVENTS), int(zmq.POLLIN)
_RCVMORE = int(zmq.RCVMORE)
_FEW = 16  # messages that may wait here; others wait with the publisher

Context = zmq.Context[zmq.Socket[bytes]]


class Reader:
    """Receives messages, drops repeated latched ones and those that it cannot read, and counts lost ones.

    Attributes:
        gaps: number of messages that were sent but never arrived, by topic.
        rejected: what could not be read.
        is_ready: whether the socket was just found to have a message.
    """

    def __init__(self, context: Context) -> None:
        self.gaps: Counter[str] = Counter()
        self.rejected = Rejected()
        self.topics: tuple[str, ...] = ()
        self.is_ready = False
        self._mail: deque[Delivery] = deque()
        self._connected: set[str] = set()
        self._last: dict[tuple[int, str], int] = {}
        self._decoder = msgspec.msgpack.Decoder(Envelope)
        self.socket = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self.socket.rcvhwm = _FEW
        self._leases = Leases(self.socket)

    def subscribe(self, topic: str) -> None:
        """Subscribe to a topic, or to `ANY`.

        Raises:
            MessagingError: if the topic is unknown.
        """
        if topic not in self.topics:
            frame = b"" if topic == ANY else frames_of(topic).frame
            self.socket.setsockopt(zmq.SUBSCRIBE, frame)
            self._leases.subscribe(frame)
            self.topics += (topic,)

    def wants(self, topic: str) -> bool:
        """Whether to connect to publishers of `topic`."""
        return topic in self.topics or ANY in self.topics

    def connect_only(self, addresses: set[str]) -> None:
        """Connect to these publishers and disconnect from all others."""
        for address in addresses - self._connected:
            self.socket.connect(address)
        for address in self._connected - addresses:
            self.socket.disconnect(address)
            self._leases.forget(address)
            self.is_ready = False
        self._connected = addresses

    @property
    def connected(self) -> frozenset[str]:
        """The connected publishers."""
        return frozenset(self._connected)

    def deliver(self, delivery: Delivery) -> None:
        """Take a message of another node of this process."""
        self._mail.append(delivery)

    @property
    def has_mail(self) -> bool:
        """Whether messages of other nodes of this process wait to be received."""
        return bool(self._mail)

    def receive(self) -> Delivery | None:
        """The next message that can be read, or None if none has arrived."""
        if self._mail:
            return self._mail.popleft()
        while self.is_ready or int(self.socket.get(_EVENTS)) & _POLLIN:  # an exception takes twice as long
            self.is_ready = False
            delivery = self._receive()
            if delivery is not None and self._is_new(delivery):
                return delivery
        return None

    def has_all(self, publisher_id: int, published: Mapping[str, int]) -> bool:
        """Whether the last messages that a publisher sent on our topics have arrived."""
        return all(
            self._last.get((publisher_id, topic), 0) >= sequence
            for topic, sequence in published.items()
            if self.wants(topic)
        )

    def close(self) -> None:
        """Close the socket; what was received stays valid."""
        self.socket.close(0)
        self._leases.close()

    def _receive(self) -> Delivery | None:
        """The message that has arrived, repeated or not, without a copy; None if it cannot be read."""
        frame = self.socket.recv(_NOBLOCK, copy=False)
        if not frame.more:
            return self._receive_shared(frame.bytes)
        head = self.socket.recv(_NOBLOCK, copy=False)
        data = self.socket.recv(_NOBLOCK, copy=False) if head.more else None
        if data is None or data.more:
            while self.socket.get(_RCVMORE):
                self.socket.recv(_NOBLOCK)
            self._reject(frame.bytes, "it has another number of frames than three")
            return None
        return self._delivery(frame.bytes, head.bytes, data.buffer.toreadonly())

    def _receive_shared(self, message: bytes) -> Delivery | None:
        """A message whose bytes lie in shared memory; None for the offer of such memory."""
        topic, end, rest = message.removeprefix(SHARED).partition(b"\0")
        kind, rest = rest[:1], rest[1:]
        try:
            if not message.startswith(SHARED) or kind not in (OFFERED, REFERRED):
                raise ValueError("it has another number of frames than three")
            if kind == OFFERED:
                self._leases.accept(topic + end, rest)
                return None
            data = self._leases.open(rest[: REFERENCE.size])
        except (ValueError, struct.error, msgspec.DecodeError) as error:
            self._reject(topic, str(error))
            return None
        return None if data is None else self._delivery(topic, rest[REFERENCE.size :], data)

    def _delivery(self, frame: bytes, head: bytes, data: memoryview) -> Delivery | None:
        """The message in frames; None if it is not one of this version."""
        try:
            wire = frames_of(frame.removesuffix(b"\0").decode())
            envelope = self._decoder.decode(head)
        except (MessagingError, ValueError, msgspec.DecodeError) as error:
            self._reject(frame, str(error))
            return None
        if envelope.type_hash != wire.type_hash:
            self._reject(
                frame,
                f"publisher {envelope.publisher_id:x} defines {wire.type_name} as {envelope.type_hash:016x}, "
                f"this process as {wire.type_hash:016x}; run one version of both",
            )
            return None
        return Delivery(wire.topic, wire.type_name, envelope, data)

    def _reject(self, frame: bytes, reason: str) -> None:
        """Count a message that cannot be read, by its first frame."""
        try:
            topic = frames_of(frame.removesuffix(b"\0").decode()).topic
        except (MessagingError, ValueError):
            topic = Rejected.UNKNOWN
        self.rejected.add(topic, f"received a message of another version or program ({reason})")

    def _is_new(self, delivery: Delivery) -> bool:
        key = (delivery.envelope.publisher_id, delivery.topic)
        sequence = delivery.envelope.sequence
        last = self._last.get(key)
        if last is not None and sequence <= last:
            return False
        if last is not None:
            self.gaps[delivery.topic] += sequence - last - 1
        self._last[key] = sequence
        return True
