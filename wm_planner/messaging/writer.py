"""The writing side of a bus: one XPUB socket for all topics of a node."""

import time
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import zmq

from wm_planner.clock import Clock, Deadline, nanoseconds
from wm_planner.errors import MessagingError, did_you_mean
from wm_planner.messaging import codec, topics
from wm_planner.messaging.backlog import Backlog
from wm_planner.messaging.exchange import Exchange
from wm_planner.messaging.messages import Message
from wm_planner.messaging.slots import Loan, SharedTopics
from wm_planner.messaging.subscribers import OFFERED, REFERRED, SHARED, Subscribers
from wm_planner.messaging.wire import (
    LARGE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_QUEUED,
    Delivery,
    Envelope,
    Frames,
    frames_of,
)

_STALL_S = 10.0
_RETRY_S = 0.0005
_SERVE_NS = nanoseconds(0.02)
_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
_LAST = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)

_Frames: TypeAlias = tuple[bytes, bytes, codec.Buffer]


class Writer:
    """Publishes messages, keeps track of readers, and sends new ones the last message of every latched topic.

    Args:
        context: the ZeroMQ context.
        address: that the socket binds to.
        publisher_id: number in the envelopes.
        clock: monotonic wall time.
        lossless: wait for readers whose queues are full (lockstep) instead of dropping messages (realtime).
        exchange: of the process, with the readers that need no socket.

    Attributes:
        subscribers: what is known of the readers; `serve` updates it.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        address: str,
        publisher_id: int,
        clock: Clock,
        lossless: bool,
        exchange: Exchange,
    ) -> None:
        self._clock = clock
        self._publisher_id = publisher_id
        self._exchange = exchange
        self._sequences: dict[str, int] = {}
        self._latched: dict[str, _Frames] = {}
        self.subscribers = Subscribers()
        self._shared = SharedTopics(address, self.subscribers, lossless)
        self._is_lossless, self._backlog = lossless, Backlog()
        self._served_ns = 0
        self._envelopes = msgspec.msgpack.Encoder()
        self._messages = codec.Encoder()
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # report every reader, not only the first
        self.socket.setsockopt(zmq.XPUB_NODROP, int(lossless))
        self.socket.sndhwm = MAX_QUEUED
        self.socket.setsockopt(zmq.MAXMSGSIZE, 4096)  # readers only send subscriptions
        try:
            self.socket.bind(address)
        except zmq.ZMQError as error:
            self.socket.close(0)
            raise MessagingError(f"{address}: cannot be bound ({error.strerror})") from None

    @property
    def published(self) -> dict[str, int]:
        """The sequence of the last message of every advertised topic."""
        return dict(self._sequences)

    def advertise(self, topic: str) -> None:
        """Declare a topic.

        Raises:
            MessagingError: if the topic is unknown.
        """
        topics.find(topic)
        self._sequences.setdefault(topic, 0)

    def publish(self, topic: str, message: Message, origin_ns: int | None) -> None:
        """Send a message to every reader of the topic.

        Raises:
            MessagingError: if the topic is not advertised, the message is of another type, malformed or
                too large, or (lossless) a reader accepts nothing for 10 s.
        """
        self._serve_sometimes()
        wire = self._frames_of(topic)
        if codec.type_of(message) != wire.type_name:
            raise MessagingError(f"{topic} carries {wire.type_name}, got {codec.type_of(message)}")
        loan = Loan(self._shared, topic)
        self._publish(wire, self._messages.encode(message, loan.room), origin_ns, loan)

    def publish_raw(self, topic: str, data: codec.Buffer, origin_ns: int | None) -> None:
        """Send a message that is encoded already to every reader of the topic.

        Args:
            data: CDR bytes of the topic's type, little-endian, with ROS 2's four bytes before them.

        Raises:
            MessagingError: as `publish`; readers find malformed bytes behind the first four.
        """
        self._serve_sometimes()
        wire = self._frames_of(topic)
        codec.check_encapsulation(wire.type_name, data)
        self._publish(wire, data, origin_ns, Loan(self._shared, topic))

    def _frames_of(self, topic: str) -> Frames:
        if topic not in self._sequences:
            raise MessagingError(f"topic '{topic}' is not advertised, {did_you_mean(topic, self._sequences)}")
        return frames_of(topic)

    def _publish(self, wire: Frames, data: codec.Buffer, origin_ns: int | None, loan: Loan) -> None:
        topic = wire.topic
        if len(data) > MAX_MESSAGE_BYTES:
            raise MessagingError(
                f"{topic}: a message has {len(data)} bytes, the limit is {MAX_MESSAGE_BYTES}; "
                "send less at once"
            )
        self._sequences[topic] += 1
        now_ns = self._clock.now_ns()
        envelope = Envelope(
            self._sequences[topic],
            now_ns if origin_ns is None else origin_ns,
            now_ns,
            self._publisher_id,
            wire.type_hash,
        )
        self._hand_over(wire, envelope, data)
        is_latched = topics.find(topic).latched
        if self.subscribers.is_empty and not is_latched:
            return
        head = self._envelopes.encode(envelope)
        if is_latched:
            self._latched[topic] = (wire.frame, head, bytes(data))
        reference = loan.reference(data) if len(data) > LARGE_BYTES else None
        if loan.offer is not None:
            self._send(topic, (SHARED + wire.frame + OFFERED + loan.offer,))
        if reference is None:
            self._send(topic, (wire.frame, head, data))
        else:
            self._send(topic, (SHARED + wire.frame + REFERRED + reference + head,))

    def _hand_over(self, wire: Frames, envelope: Envelope, data: codec.Buffer) -> None:
        """Give a message to the readers in this process, in bytes of its own: buffers are reused."""
        readers = self._exchange.readers(wire.topic, self._publisher_id)
        if readers:
            delivery = Delivery(wire.topic, wire.type_name, envelope, memoryview(bytes(data)))
            for reader in readers:
                reader.deliver(delivery)

    def serve(self) -> None:
        """Update the readers that have connected or left."""
        self._served_ns = self._clock.now_ns()
        while int(self.socket.get(_EVENTS)) & _POLLIN:  # an exception takes twice as long
            prefix = self.subscribers.update(self.socket.recv(zmq.NOBLOCK))
            if prefix is not None:
                for topic, frames in self._latched.items():
                    if frames_of(topic).frame.startswith(prefix):
                        self._send(topic, frames)  # to all: the others drop it by its sequence

    def _serve_sometimes(self) -> None:
        """Update the readers for a publisher that does not wait, and so would not serve."""
        if self._clock.now_ns() - self._served_ns > _SERVE_NS:
            self.serve()

    def readers(self, topic: str) -> int:
        """The number of nodes that read a topic now, in this process and by sockets."""
        near = len(self._exchange.readers(topic, self._publisher_id))
        return near + self.subscribers.count(topic)

    def missing(self, expected: Mapping[str, int]) -> dict[str, int]:
        """The number of readers that each topic still lacks."""
        lacks = {topic: count - self.readers(topic) for topic, count in expected.items()}
        return {topic: count for topic, count in lacks.items() if count > 0}

    def close(self, linger_s: float) -> None:
        """Close the socket; sent messages have `linger_s` to arrive."""
        self.socket.close(round(linger_s * 1000))
        self._shared.close()

    def _send(self, topic: str, frames: tuple[codec.Buffer, ...]) -> None:
        deadline: Deadline | None = None
        while not self._has_sent(topic, frames) and self._is_lossless:
            deadline = deadline or Deadline.after(self._clock, _STALL_S)
            if deadline.left_s() < 0:
                raise MessagingError(
                    f"{topic}: a reader has accepted nothing for {_STALL_S:g} s; "
                    "is one of the processes suspended, or the recorder's disk stuck?"
                )
            time.sleep(_RETRY_S)

    def _has_sent(self, topic: str, frames: tuple[codec.Buffer, ...]) -> bool:
        """Whether there was room for a message; a latched one has priority over the budget."""
        *others, last = frames
        size = len(last)
        if size > LARGE_BYTES and not (self._backlog.has_room(size) or topics.find(topic).latched):
            return False
        try:
            for frame in others:
                self.socket.send(frame, _MORE)
            if size <= LARGE_BYTES:
                self.socket.send(last, _LAST)
            else:
                self._backlog.add(self.socket.send(bytes(last), _LAST, copy=False, track=True), size)
        except zmq.Again:  # only of a lossless socket, and only for the first frame
            return False
        return True
