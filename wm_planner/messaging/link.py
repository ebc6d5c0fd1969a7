"""A connection to one other host: messages of some topics, encrypted beyond this machine."""

import contextlib
import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import zmq
from zmq.auth.thread import ThreadAuthenticator

from wm_planner.errors import MessagingError
from wm_planner.messaging.keys import KeyPair
from wm_planner.messaging.wire import MAX_MESSAGE_BYTES, MAX_QUEUED

_ASKS, _IS_HERE = b"wm_planner link 1?", b"wm_planner link 1!"
_HEARTBEAT_MS, _TIMEOUT_MS = 300, 1000


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What travels with a message.

    Attributes:
        age_ns: of the oldest sensor input behind it when it was sent: clocks of two hosts differ.
        type_hash: the first eight bytes of the type's RIHS01 hash.
    """

    topic: str
    age_ns: int
    type_hash: int


class Linked(NamedTuple):
    """A message of the other host, in CDR bytes."""

    head: Head
    data: bytes


@dataclass(frozen=True)
class Address:
    """One end of a link.

    Attributes:
        url: `tcp://HOST:PORT`; the listening end gives an address of its own, `*` for all of them.
        listens: whether this end waits for the other.
        keys: of this host; None without encryption.
        peer: public key of the other host.

    Raises:
        MessagingError: if the address is not one of TCP, or leaves this machine without keys.
    """

    url: str
    listens: bool
    keys: KeyPair | None = None
    peer: bytes | None = None

    def __post_init__(self) -> None:
        parts = re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[\w.*-]+):(\d{1,5}|\*)", self.url)
        if parts is None:
            raise MessagingError(f"'{self.url}': wanted an address such as tcp://192.168.0.7:7447")
        if (self.keys is None) != (self.peer is None):
            raise MessagingError(
                f"{self.url}: wanted both keys, this host's secret one and the other's public one"
            )
        if self.keys is None and not _is_loopback(parts[1].strip("[]")):
            raise MessagingError(
                f"{self.url}: leaves this machine, and there are no keys: make some on both hosts with "
                "`wm keys NAME`, exchange the files NAME.key, and give them as `key` and `peer`"
            )


class Link:
    """Sends to and receives from the other end.

    Args:
        context: the ZeroMQ context.
        address: of the link.

    Attributes:
        is_met: whether the other end has answered.
        url: that the socket is bound or connected to.

    Raises:
        MessagingError: if the address cannot be used.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", address: Address) -> None:
        self.is_met = False
        self._listens = address.listens
        self._decoder = msgspec.msgpack.Decoder(Head)
        self._encoder = msgspec.msgpack.Encoder()
        self._guard: ThreadAuthenticator | None = None
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _TIMEOUT_MS)
        self.socket.setsockopt(zmq.IPV6, int("[" in address.url))
        self.socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing waits for a host that is not there
        self.socket.hwm = MAX_QUEUED
        if address.keys is not None and address.peer is not None:
            self._encrypt(context, address.keys, address.peer)
        try:
            (self.socket.bind if address.listens else self.socket.connect)(address.url)
        except zmq.ZMQError as error:
            self.close()
            raise MessagingError(f"{address.url}: cannot be used ({error.strerror})") from None
        self.url = str(self.socket.get_string(zmq.LAST_ENDPOINT)) if address.listens else address.url

    def greet(self) -> None:
        """Ask whether the other end is there; `receive` gets the answer."""
        self._say(_ASKS)

    def send(self, head: Head, data: bytes | memoryview) -> bool:
        """Send a message; whether there was room for it."""
        try:
            self.socket.send_multipart((self._encoder.encode(head), data), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Linked | None:
        """The next message; None if none has arrived, or what has is a greeting.

        Raises:
            MessagingError: if it is not one of this version.
        """
        if not self.socket.poll(0):
            return None
        frames = self.socket.recv_multipart()
        if len(frames) == 1 and (said := frames[0]) in (_ASKS, _IS_HERE):
            self.is_met = True
            if said == _ASKS:
                self._say(_IS_HERE)
            return None
        try:
            head, data = frames
            return Linked(self._decoder.decode(head), data)
        except (ValueError, msgspec.DecodeError) as error:
            raise MessagingError(f"the other host sent a message of another version ({error})") from None

    def _say(self, words: bytes) -> None:
        with contextlib.suppress(zmq.Again):  # the other end is not there
            self.socket.send(words, zmq.NOBLOCK)

    def close(self) -> None:
        """Close the connection, after the last messages have had 0.5 s to arrive."""
        self.socket.close(500)
        if self._guard is not None:
            self._guard.stop()

    def _encrypt(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: KeyPair, peer: bytes) -> None:
        self.socket.curve_publickey, self.socket.curve_secretkey = keys
        if not self._listens:
            self.socket.curve_serverkey = peer
            return
        self.socket.curve_server = True
        self._guard = ThreadAuthenticator(context)
        self._guard.start()
        self._guard.configure_curve_callback("*", _Only(peer))


class _Only:
    """Lets one host in."""

    def __init__(self, peer: bytes) -> None:
        self._peer = peer

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._peer


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
