"""What the buses of one process share: messages without sockets, and one wait for all of them."""

from typing import Protocol

import zmq

from wm_planner.messaging.wire import Delivery


class Member(Protocol):
    """A bus of the process."""

    publisher_id: int

    def reads(self, topic: str) -> bool:
        """Whether it has subscribed to a topic."""
        ...

    def deliver(self, delivery: Delivery) -> None:
        """Take a message of another bus of the process."""
        ...

    @property
    def has_mail(self) -> bool:
        """Whether delivered messages wait to be received."""
        ...

    def attend(self, ready: "frozenset[zmq.Socket[bytes]]") -> None:
        """Serve readers and follow the domain, after a wait.

        Args:
            ready: sockets of all buses with something to receive.
        """
        ...


class Exchange:
    """The buses of one process.

    A message goes from one to another as the CDR bytes that a socket would carry, which are encoded once and
    cannot be written to. So no reader can change what its publisher or another reader holds, and every
    message is the same as between processes.
    """

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._readers: dict[tuple[str, int], tuple[Member, ...]] = {}
        self._poller = zmq.Poller()

    @property
    def publisher_ids(self) -> frozenset[int]:
        """The numbers of its buses in their envelopes."""
        return frozenset(member.publisher_id for member in self._members)

    def join(self, member: Member) -> None:
        """Add a bus."""
        self._members.append(member)
        self.renew()

    def leave(self, member: Member) -> None:
        """Remove a bus: it receives nothing more."""
        self._members.remove(member)
        self.renew()

    def renew(self) -> None:
        """Find the readers of all topics anew, after a change of what a bus reads."""
        self._readers.clear()

    def watch(self, socket: "zmq.Socket[bytes]") -> None:
        """Let `wait` return when a socket has something to receive."""
        self._poller.register(socket, zmq.POLLIN)

    def forget(self, socket: "zmq.Socket[bytes]") -> None:
        """Stop watching a socket, which is about to be closed."""
        self._poller.unregister(socket)

    def readers(self, topic: str, publisher_id: int) -> tuple[Member, ...]:
        """The buses that read a topic, without the publisher itself."""
        key = topic, publisher_id
        if key not in self._readers:
            others = (each for each in self._members if each.publisher_id != publisher_id)
            self._readers[key] = tuple(each for each in others if each.reads(topic))
        return self._readers[key]

    def wait(self, timeout_s: float) -> None:
        """Sleep until a message arrives for any of the buses, at most `timeout_s`, and let all attend."""
        if any(member.has_mail for member in self._members):
            timeout_s = 0.0
        ready = frozenset(socket for socket, _ in self._poller.poll(round(timeout_s * 1000)))
        for member in tuple(self._members):
            member.attend(ready)
