"""The bus: publish and subscribe between the processes of a domain, over ZeroMQ.

Every node has one XPUB and one SUB socket. Nodes find each other through one file per node; there is no
broker. Nodes of one process hand their messages to each other without the sockets.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping, Set

import msgspec
import zmq

from wm_planner.clock import Clock, Deadline, WallClock, nanoseconds, seconds
from wm_planner.errors import MessagingError
from wm_planner.messaging import topics
from wm_planner.messaging.codec import Buffer
from wm_planner.messaging.declarations import Declaration, add_all, declaration_of
from wm_planner.messaging.domain import Domain, Endpoint, process_start
from wm_planner.messaging.exchange import Exchange
from wm_planner.messaging.messages import Message, type_hash
from wm_planner.messaging.names import Names
from wm_planner.messaging.reader import Reader
from wm_planner.messaging.rejected import Rejected
from wm_planner.messaging.wire import ANY, Delivery
from wm_planner.messaging.writer import Writer

_LOOK_NS = nanoseconds(0.05)  # between two checks of the directory's modification time
_SCAN_NS = nanoseconds(0.5)  # between two reads of its records: a process that dies changes nothing there
_LEAVE_S = 1.0  # for the last messages of a publisher that left


class Bus:
    """A node's connection to a domain.

    Args:
        domain: of the node.
        name: of the node, unique on the domain.
        lossless: wait for slow readers (lockstep) instead of dropping their messages (realtime).
        clock: monotonic wall time.
        names: of its topics on the bus, where they are not those in its program.
        exchange: of the process, if several nodes share it.

    Attributes:
        publishers: names of the other nodes of the domain that run, by the number in their envelopes.

    Raises:
        MessagingError: if the domain or the name cannot be used.
    """

    def __init__(
        self,
        domain: Domain,
        name: str,
        *,
        lossless: bool,
        clock: Clock | None = None,
        names: Names | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        domain.open()
        self.names = names or Names()
        self.domain = domain
        self.name = name
        self.publisher_id = secrets.randbits(63)
        self.clock = clock or WallClock()
        self._address = domain.address(name, "pub")
        self._exchange = exchange or Exchange()
        self._sockets: list[zmq.Socket[bytes]] = []
        self._control = ""
        self._endpoint: Endpoint | None = None
        self._looked_ns = self._scanned_ns = self._changed_ns = 0
        self._leaving: dict[str, Deadline] = {}
        self._is_alone = False  # without other processes, which may die and leave no trace in the directory
        self.publishers: dict[int, str] = {}
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._writer = Writer(
                self.context, self._address, self.publisher_id, self.clock, lossless, self._exchange
            )
        except MessagingError:
            self.context.term()
            raise
        self._reader = Reader(self.context)
        self._exchange.join(self)
        self.wake_on(self._writer.socket)
        self.wake_on(self._reader.socket)

    def advertise(self, topic: str) -> None:
        """Declare a topic that will be published."""
        self._writer.advertise(self.names.on_bus(topic))

    def subscribe(self, topic: str) -> None:
        """Declare a topic to receive, or `wire.ANY`."""
        self._reader.subscribe(topic if topic == ANY else self.names.on_bus(topic))
        self._exchange.renew()

    def watch(self, socket: "zmq.Socket[bytes]", address: str) -> None:
        """Let `wait` also return for the node's control socket, and announce its address."""
        self.wake_on(socket)
        self._control = address

    def wake_on(self, socket: "zmq.Socket[bytes]") -> None:
        """Let `wait` also return for a socket of the node's own."""
        self._exchange.watch(socket)
        self._sockets.append(socket)

    def announce(self, state: str) -> None:
        """Publish the record of this node, with its topics and lifecycle state, and read those of the others.

        Raises:
            MessagingError: if a live process has the name.
        """
        pid = os.getpid()
        endpoint = Endpoint(
            name=self.name,
            publisher_id=self.publisher_id,
            pid=pid,
            started=process_start(pid) or 0,
            address=self._address,
            control=self._control,
            state=state,
            publishes={topic: type_hash(topics.find(topic).type) for topic in self._writer.published},
            subscribes=self._reader.topics,
            declared=self._declared(),
            published=self._writer.published,
        )
        self.domain.announce(endpoint)
        self._endpoint = endpoint
        self.refresh()

    def publish(self, topic: str, message: Message, origin_ns: int | None = None) -> None:
        """Send a message.

        Args:
            topic: an advertised topic.
            message: of the topic's type.
            origin_ns: when the oldest sensor input behind it was measured (`Envelope.origin_ns`); None if
                this message is the input.
        """
        self._writer.publish(self.names.on_bus(topic), message, origin_ns)

    def publish_raw(self, topic: str, data: Buffer, origin_ns: int | None = None) -> None:
        """Send a message that is encoded already, e.g. one that another system has sent.

        Args:
            topic: an advertised topic.
            data: CDR bytes of the topic's type, little-endian, with ROS 2's four bytes before them.
            origin_ns: as for `publish`.
        """
        self._writer.publish_raw(self.names.on_bus(topic), data, origin_ns)

    def receive(self) -> Delivery | None:
        """The next message that has arrived, or None."""
        delivery = self._reader.receive()
        if delivery is None or delivery.topic == (topic := self.names.in_node(delivery.topic)):
            return delivery
        return delivery._replace(topic=topic)

    @property
    def advertised(self) -> Set[str]:
        """The topics of the bus that this node publishes."""
        return self._writer.published.keys()

    def has_publisher(self, topic: str) -> bool:
        """Whether another node of the domain has declared that it publishes a topic."""
        others = (each for each in self.domain.endpoints() if each.publisher_id != self.publisher_id)
        return any(self.names.on_bus(topic) in endpoint.publishes for endpoint in others)

    def has_reader(self, topic: str) -> bool:
        """Whether another node reads a topic that this node publishes."""
        return self._writer.readers(self.names.on_bus(topic)) > 0

    @property
    def gaps(self) -> Mapping[str, int]:
        """The number of messages of each topic that were lost on the way to this node."""
        return {self.names.in_node(topic): count for topic, count in self._reader.gaps.items()}

    @property
    def rejected(self) -> Rejected:
        """What was found on the domain and cannot be read."""
        return self._reader.rejected

    def reads(self, topic: str) -> bool:
        """Whether this node has subscribed to a topic of the bus."""
        return self._reader.wants(topic)

    def deliver(self, delivery: Delivery) -> None:
        """Take a message of another node of this process."""
        self._reader.deliver(delivery)

    @property
    def has_mail(self) -> bool:
        """Whether messages of other nodes of this process wait to be received."""
        return self._reader.has_mail

    def wait(self, timeout_s: float) -> None:
        """Sleep until a message arrives, at most `timeout_s`; also serves readers and follows the domain.

        In a process of several nodes this waits for all of them, and serves all.
        """
        self._exchange.wait(min(timeout_s, seconds(_LOOK_NS)))

    def attend(self, ready: "frozenset[zmq.Socket[bytes]]") -> None:
        """Serve readers and follow the domain, after a wait that found these sockets to be ready."""
        self._reader.is_ready = self._reader.socket in ready
        if self._writer.socket in ready:
            self._writer.serve()
        now_ns = self.clock.now_ns()
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            is_due = not self._is_alone and now_ns - self._scanned_ns >= _SCAN_NS
            if is_due or self._leaving or self.domain.changed_ns() != self._changed_ns:
                self.refresh(is_idle=self._reader.socket not in ready)

    def refresh(self, is_idle: bool = False) -> None:
        """Read the records: connect to new publishers of our topics, disconnect from those that are gone.

        A publisher that is finalized waits for its readers to disconnect, which we do after its last message.

        Args:
            is_idle: no message waits to be read, so none is lost with a publisher that died.
        """
        self._scanned_ns = self.clock.now_ns()
        known_ns, self._changed_ns = self._changed_ns, self.domain.changed_ns()
        found = [each for each in self.domain.endpoints() if each.publisher_id != self.publisher_id]
        is_settled = known_ns == self._changed_ns  # two changes at once have one time
        self._is_alone = is_settled and all(each.pid == os.getpid() for each in found)
        self.publishers = {each.publisher_id: each.name for each in found if each.state != "finalized"}
        foreign = {
            f"{topic} of node '{endpoint.name}'": reason
            for endpoint in found
            for topic in endpoint.publishes
            if self._reader.wants(topic) and (reason := self._why_foreign(endpoint, topic))
        }
        self.rejected.hold(self.domain.unreadable | foreign)
        near = self._exchange.publisher_ids
        others = [
            each
            for each in found
            if each.publisher_id not in near
            and any(self._reader.wants(t) and not self._why_foreign(each, t) for t in each.publishes)
        ]
        present = {endpoint.address for endpoint in others if endpoint.state != "finalized"}
        done = {
            endpoint.address
            for endpoint in others
            if endpoint.state == "finalized"
            and self._reader.has_all(endpoint.publisher_id, endpoint.published)
        }
        for address in self._reader.connected - present - done:
            self._leaving.setdefault(address, Deadline.after(self.clock, _LEAVE_S))
        self._leaving = {
            address: deadline
            for address, deadline in self._leaving.items()
            if address not in present | done and not (is_idle and deadline.left_s() < 0)
        }
        self._reader.connect_only(present | self._leaving.keys())

    def wait_for_readers(self, expected: Mapping[str, int], timeout_s: float) -> None:
        """Return once every topic has at least this many readers; later messages reach all of them.

        Raises:
            MessagingError: if they do not connect in time.
        """
        deadline = Deadline.after(self.clock, timeout_s)
        self.refresh()
        self._writer.serve()
        while missing := self._writer.missing(expected):
            if deadline.left_s() < 0:
                lacks = ", ".join(f"{topic} lacks {count}" for topic, count in missing.items())
                raise MessagingError(
                    f"node '{self.name}' waited {timeout_s:g} s for its readers: {lacks}; "
                    "is a node stopped before it could connect?"
                )
            self.wait(0.01)

    def close(self, linger_s: float = 0.5) -> None:
        """Leave the domain once its readers have every message, or after `linger_s`; once is enough."""
        if self.context.closed:
            return
        self._exchange.leave(self)
        for socket in self._sockets:
            self._exchange.forget(socket)
        self._reader.close()
        if self._endpoint is not None:
            self._endpoint = msgspec.structs.replace(
                self._endpoint, state="finalized", published=self._writer.published
            )
            with contextlib.suppress(FileNotFoundError):  # the whole domain may be gone
                self.domain.announce(self._endpoint)
        deadline = Deadline.after(self.clock, linger_s)
        while not self._writer.subscribers.is_empty and deadline.left_s() > 0:
            self._writer.socket.poll(10)
            self._writer.serve()
        self._writer.close(max(0.0, deadline.left_s()))
        self.context.term()
        if self._endpoint is not None:
            self.domain.withdraw(self._endpoint)

    def _declared(self) -> tuple[Declaration, ...]:
        topics_ = (*self._writer.published, *(topic for topic in self._reader.topics if topic != ANY))
        return tuple(filter(None, map(declaration_of, dict.fromkeys(topics_))))

    def _why_foreign(self, endpoint: Endpoint, topic: str) -> str:
        """Why a topic that a node publishes cannot be read here; empty if it can."""
        try:
            add_all(
                tuple(each for each in endpoint.declared if each.topic == topic), f"node '{endpoint.name}'"
            )
            name = topics.find(topic).type
        except MessagingError as error:
            return str(error)
        ours, its = type_hash(name), endpoint.publishes[topic]
        if its == ours:
            return ""
        return (
            f"node '{endpoint.name}' defines {name} as {its}, node '{self.name}' as {ours}; "
            "run one version of both"
        )
