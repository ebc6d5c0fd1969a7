"""What travels: three frames (topic, envelope, CDR bytes), and the limits on them."""

import functools
from typing import NamedTuple

import msgspec

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec, topics
from wm_planner.messaging.messages import Message, type_hash

ANY = "*"  # every topic of the domain
MAX_MESSAGE_BYTES = 64 * 2**20
BUDGET_BYTES = 32 * 2**20  # what may wait for one reader
MAX_QUEUED = 1000  # messages, however small


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the bus says of a message.

    Attributes:
        sequence: 1, 2, 3, ... for each publisher and topic.
        origin_ns: monotonic wall time at which the oldest sensor input behind the message was taken.
        publish_ns: monotonic wall time at which it was published.
        publisher_id: one random number a bus; a restarted node has another.
        type_hash: the first eight bytes of the type's RIHS01 hash.
    """

    sequence: int
    origin_ns: int
    publish_ns: int
    publisher_id: int
    type_hash: int


class Delivery(NamedTuple):
    """A message as it came in, not decoded yet."""

    topic: str
    type_name: str
    envelope: Envelope
    data: codec.Buffer

    def message(self) -> Message:
        """The message, decoded.

        Raises:
            MessagingError: if the bytes are torn.
        """
        try:
            return codec.decode(self.type_name, self.data)
        except MessagingError as error:
            raise MessagingError(f"{self.topic}: {error}") from None


class Frames(NamedTuple):
    """The first frame of a topic and the numbers that go with it."""

    topic: str
    type_name: str
    type_hash: int
    frame: bytes


@functools.lru_cache(maxsize=256)
def frames_of(topic: str) -> Frames:
    """How a topic travels. The frame ends with a zero byte: ZeroMQ matches by prefix, and /plan is one
    of /plan_path.

    Raises:
        MessagingError: if the topic is not in the table.
    """
    type_name = topics.find(topic).type
    return Frames(topic, type_name, short_hash(type_hash(type_name)), topic.encode() + b"\0")


def short_hash(full: str) -> int:
    """The first eight bytes of "RIHS01_<64 hex digits>"."""
    return int(full.partition("_")[2][:16], 16)


def queue_length(largest_bytes: int) -> int:
    """How many messages of that size may wait for one reader."""
    return max(2, min(MAX_QUEUED, BUDGET_BYTES // max(largest_bytes, 1)))
