"""The wire format: three frames (topic, envelope, CDR bytes), and their limits."""

import functools
from typing import NamedTuple

import msgspec

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec, topics
from wm_planner.messaging.messages import Message, type_hash

ANY = "*"  # every topic of the domain
MAX_MESSAGE_BYTES = 64 * 2**20
LARGE_BYTES = 64 * 2**10
"""Messages of more bytes than this go through shared memory where it can be used."""
BUDGET_BYTES = 32 * 2**20
"""That may wait for one reader: of messages that are not large, and as much of large ones in frames."""
MAX_QUEUED = BUDGET_BYTES // LARGE_BYTES
"""Messages that may wait for one reader."""


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Metadata of a message.

    Attributes:
        sequence: 1, 2, 3, ... per publisher and topic.
        origin_ns: monotonic wall time at which the oldest sensor input behind the message was measured.
        publish_ns: monotonic wall time at which it was published.
        publisher_id: a random number per bus; a restarted node has a new one.
        type_hash: the first eight bytes of the type's RIHS01 hash.
    """

    sequence: int
    origin_ns: int
    publish_ns: int
    publisher_id: int
    type_hash: int


class Delivery(NamedTuple):
    """A received message that is not decoded yet."""

    topic: str
    type_name: str
    envelope: Envelope
    data: codec.Buffer

    def message(self) -> Message:
        """The message, decoded.

        Raises:
            MessagingError: if the bytes are cut off or malformed.
        """
        try:
            return codec.decode(self.type_name, self.data)
        except MessagingError as error:
            raise MessagingError(f"{self.topic}: {error}") from None


class Frames(NamedTuple):
    """The first frame of a topic, and its type."""

    topic: str
    type_name: str
    type_hash: int
    frame: bytes


@functools.lru_cache(maxsize=256)
def frames_of(topic: str) -> Frames:
    """The frames of a topic. The first ends with a zero byte, because ZeroMQ matches by prefix and /plan is a
    prefix of /plan_path.

    Raises:
        MessagingError: if the topic is unknown.
    """
    type_name = topics.find(topic).type
    return Frames(topic, type_name, short_hash(type_hash(type_name)), topic.encode() + b"\0")


def short_hash(full: str) -> int:
    """The first eight bytes of "RIHS01_<64 hex digits>"."""
    return int(full.partition("_")[2][:16], 16)
