"""Reads recordings, also those that were cut off."""

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import zstandard
from mcap.exceptions import McapError
from mcap.records import Attachment, Channel, Chunk, Footer, Metadata, Schema
from mcap.records import Message as Record
from mcap.stream_reader import StreamReader

from wm_planner.errors import MessagingError, RecordingError, did_you_mean
from wm_planner.messaging import codec
from wm_planner.messaging.messages import STORE, Message, register
from wm_planner.messaging.older import OlderType, is_current, is_older
from wm_planner.recording.chunks import records_of
from wm_planner.recording.parts import parts_of

_TORN = (
    *(McapError, struct.error, ValueError, KeyError, OverflowError, MemoryError),
    *(RuntimeError, zstandard.ZstdError),  # the first is lz4's
)


class Recorded:
    """A message of a recording.

    Attributes:
        topic: of the message.
        type_name: ROS 2 name of its type.
        log_time_ns: UNIX time at which it was recorded.
        publish_time_ns: UNIX time at which it was published.
        data: its CDR bytes.
    """

    def __init__(
        self,
        topic: str,
        type_name: str,
        log_time_ns: int,
        publish_time_ns: int,
        data: bytes,
        older: OlderType | None = None,
    ) -> None:
        self.topic = topic
        self.type_name = type_name
        self.log_time_ns, self.publish_time_ns = log_time_ns, publish_time_ns
        self.data = data
        self._older = older

    @property
    def current_data(self) -> bytes:
        """Its CDR bytes as the type is defined today."""
        return self.data if self._older is None else codec.encode(self.message)

    @property
    def stamp_ns(self) -> int:
        """The stamp in the message; simulation time in lockstep."""
        return codec.peek_stamp_ns(self.data)

    @cached_property
    def message(self) -> Message:
        """The message, decoded."""
        if self._older is not None:
            return self._older.decode(self.data)
        return codec.decode(self.type_name, self.data)


class Player:
    """A recording, with the files in which it continues: see `parts_of`.

    A latched message that the recorder received again in a later file is read once.

    Args:
        path: of its first file.

    Attributes:
        parts: its files, in order.
        is_complete: whether all of them were closed properly.
        counts: number of messages by topic.
        gaps: number of messages that are missing by their sequence numbers, by topic.
        publishers: number of publishers by topic.
        types: ROS 2 name of the type by topic.
        span_ns: UNIX times at which the first and the last message were recorded; zeros without one.
        metadata: written when it was closed.
        attachments: bytes of the attached files by name.

    Raises:
        RecordingError: if the file cannot be read, or is not a recording.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.parts = parts_of(self.path)
        self.is_complete = False
        self.counts: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        self.publishers: Counter[str] = Counter()
        self.types: dict[str, str] = {}
        self.span_ns = (0, 0)
        self.metadata: dict[str, str] = {}
        self.attachments: dict[str, bytes] = {}
        self._survey()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics with messages."""
        return tuple(sorted(self.counts))

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Recorded]:
        """The messages in the order in which they were recorded.

        Args:
            topics: to read; None for all.

        Raises:
            RecordingError: if a topic was not recorded, or a type was defined differently, other than
                without the fields that were appended since.
        """
        for topic in topics or ():
            if topic not in self.counts:
                raise RecordingError(
                    f"{self.path}: no messages on '{topic}', {did_you_mean(topic, self.topics)}"
                )
        schemas: dict[tuple[int, int], tuple[str, OlderType | None]] = {}
        channels: dict[tuple[int, int], Any] = {}
        for part, record in self._records():
            if isinstance(record, Schema):
                schemas[part, record.id] = self._known(record)
            elif isinstance(record, Channel):
                channels[part, record.id] = record
            elif isinstance(record, Record):
                channel = channels[part, record.channel_id]
                chosen = topics is None or channel.topic in topics
                if chosen and record.sequence > self._before[part].get(_source(part, channel), -1):
                    if (part, channel.schema_id) not in schemas:
                        raise RecordingError(
                            f"{self.parts[part]}: {channel.topic} has no type; the file is damaged"
                        )
                    name, older = schemas[part, channel.schema_id]
                    times = record.log_time, record.publish_time
                    yield Recorded(channel.topic, name, *times, record.data, older)

    def _survey(self) -> None:
        channels: dict[tuple[int, int], Any] = {}
        schemas: dict[tuple[int, int], str] = {}
        last: dict[_Source, int] = {}
        sources: set[_Source] = set()
        closed = set()
        self._before: list[dict[_Source, int]] = [{}]
        for part, record in self._records():
            while part >= len(self._before):
                self._before.append(dict(last))
            if isinstance(record, Schema):
                schemas[part, record.id] = str(record.name)
            elif isinstance(record, Channel) and (part, record.id) not in channels:
                channels[part, record.id] = record
                self.publishers[record.topic] += _source(part, record) not in sources
                sources.add(_source(part, record))
                self.types.setdefault(record.topic, schemas.get((part, record.schema_id), ""))
            elif isinstance(record, Record):
                if (part, record.channel_id) not in channels:
                    raise RecordingError(
                        f"{self.parts[part]}: a message of channel {record.channel_id}, which the file does "
                        "not describe; it is damaged"
                    )
                source = _source(part, channels[part, record.channel_id])
                if record.sequence <= self._before[part].get(source, -1):
                    continue
                topic = source[0]
                self.counts[topic] += 1
                self.span_ns = (self.span_ns[0] or record.log_time, record.log_time)
                if source in last:
                    self.gaps[topic] += max(0, record.sequence - last[source] - 1)
                last[source] = record.sequence
            elif isinstance(record, Metadata):
                self.metadata.update(record.metadata)
            elif isinstance(record, Attachment):
                self.attachments[record.name] = record.data
            elif isinstance(record, Footer):
                closed.add(part)
        self.is_complete = len(closed) == len(self.parts)

    def _records(self) -> Iterator[tuple[int, Any]]:
        """The records of all files, with the index of their file; a full disk leaves further files empty."""
        for part, path in enumerate(self.parts):
            if not part or path.stat().st_size:
                yield from ((part, record) for record in _records_of(path))

    def _known(self, schema: Any) -> tuple[str, OlderType | None]:
        """Name of a type, and its definition if that is older than today's; a new type is registered."""
        name = str(schema.name)
        try:
            text = schema.data.decode()
        except UnicodeDecodeError as error:
            raise RecordingError(f"{self.path}: the definition of {name} is damaged ({error})") from None
        try:
            if name not in STORE.types:
                register(name, text)
            if is_current(name, text):
                return name, None
            if is_older(name, text):
                return name, OlderType(name, text)
        except MessagingError as error:
            raise RecordingError(f"{self.path}: {error}") from None
        raise RecordingError(
            f"{self.path}: {name} is defined differently here; read it with the version that recorded it"
        )


_Source: TypeAlias = tuple[str, str]
"""A topic, and its publisher."""


def _source(part: int, channel: Any) -> _Source:
    """What the messages of a channel are numbered by; foreign files do not name the publisher."""
    return channel.topic, channel.metadata.get("publisher", f"channel {channel.id} of file {part}")


def _records_of(path: Path) -> Iterator[Any]:
    """The records up to the end of a file, or to where it was cut off."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None
    with stream:
        if stream.read(8) != b"\x89MCAP0\r\n":
            raise RecordingError(f"{path}: not an MCAP recording")
        stream.seek(0)
        try:
            size = path.stat().st_size
            for record in StreamReader(stream, emit_chunks=True, record_size_limit=size).records:
                yield from records_of(record) if isinstance(record, Chunk) else (record,)
        except _TORN:
            return
