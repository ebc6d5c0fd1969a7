"""Writes recordings: MCAP in the ROS 2 profile, with the CDR bytes as received.

The file is readable at any moment: a crash leaves whole chunks, and after a failed write the file is
truncated to its last whole chunk and closed.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mcap.data_stream import RecordBuilder
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from wm_planner.clock import Clock, nanoseconds
from wm_planner.errors import RecordingError
from wm_planner.messaging.messages import definition
from wm_planner.messaging.wire import Delivery

METADATA = "wm_planner"
_CHUNK_BYTES = 2**20
_FLUSH_S = 1.0  # the most that a crash loses
_MAX_NS = 2**63 - 1  # of a time that readers of MCAP take


class _Channel(NamedTuple):
    number: int
    last: int  # sequence of its last message


class Recorder:
    """Writes one file, from one thread.

    Args:
        path: of the file; its folder is created.
        clock: monotonic wall time of the envelopes.

    Attributes:
        messages: number of written messages by topic.
        gaps: number of messages that are missing by their sequence numbers, by topic.

    Raises:
        RecordingError: if the file exists or cannot be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.messages: dict[str, int] = {}
        self.gaps: dict[str, int] = {}
        self._clock = clock
        self._epoch_ns = time.time_ns() - clock.now_ns()
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, int], _Channel] = {}
        self._flushed_ns = clock.now_ns()
        self._output = _WholeWrites(path)
        self._writer: Any = Writer(self._output, chunk_size=_CHUNK_BYTES, compression=CompressionType.LZ4)
        self._writer.start(profile="ros2")

    @property
    def is_closed(self) -> bool:
        """Whether the file is closed, also after a failed write."""
        return self._output.is_closed

    def write(self, delivery: Delivery) -> None:
        """Append a message.

        Raises:
            RecordingError: if it cannot be written; the file is closed and readable up to here.
        """
        envelope = delivery.envelope
        key = (delivery.topic, envelope.publisher_id)
        channel = self._channels.get(key) or self._add_channel(delivery)
        self._channels[key] = channel._replace(last=envelope.sequence)
        self.gaps[delivery.topic] += max(0, envelope.sequence - channel.last - 1) if channel.last else 0
        self.messages[delivery.topic] += 1
        now_ns = self._clock.now_ns()
        self._writer.add_message(
            channel.number,
            log_time=self._epoch_ns + now_ns,
            data=delivery.data,
            publish_time=min(max(0, self._epoch_ns + envelope.publish_ns), _MAX_NS),
            sequence=envelope.sequence & 0xFFFFFFFF,
        )
        if now_ns - self._flushed_ns > nanoseconds(_FLUSH_S):
            self._writer.flush()
            self._flushed_ns = now_ns

    def attach(self, path: Path) -> None:
        """Attach a copy of a file to the recording.

        Raises:
            RecordingError: if it cannot be read or written.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RecordingError(f"{path}: cannot be attached to {self.path} ({error.strerror})") from None
        now_ns = self._epoch_ns + self._clock.now_ns()
        self._writer.add_attachment(now_ns, now_ns, path.name, "application/octet-stream", data)

    def close(self, notes: Mapping[str, str] | None = None) -> None:
        """Write the counts and the index, and close the file; no effect if it is closed.

        Args:
            notes: further metadata.

        Raises:
            RecordingError: if they cannot be written; the file is readable nevertheless.
        """
        if self.is_closed:
            return
        counts = {f"messages {topic}": str(count) for topic, count in self.messages.items()}
        counts |= {f"gaps {topic}": str(count) for topic, count in self.gaps.items()}
        self._writer.add_metadata(METADATA, {**(notes or {}), **counts, "gaps": str(sum(self.gaps.values()))})
        self._writer.finish()
        self._output.close()

    def _add_channel(self, delivery: Delivery) -> _Channel:
        """Add a channel per publisher of a topic, so that sequences in the file have no gaps either."""
        if delivery.type_name not in self._schemas:
            text = definition(delivery.type_name).encode()
            self._schemas[delivery.type_name] = self._writer.register_schema(
                delivery.type_name, "ros2msg", text
            )
        self.messages.setdefault(delivery.topic, 0)
        self.gaps.setdefault(delivery.topic, 0)
        publisher = f"{delivery.envelope.publisher_id:016x}"
        number = self._writer.register_channel(
            delivery.topic, "cdr", self._schemas[delivery.type_name], {"publisher": publisher}
        )
        return _Channel(number, 0)


class _WholeWrites:
    """The stream of the MCAP writer, which writes whole records: a failed one is removed again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._file = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            if path.exists():
                raise RecordingError(f"{path}: exists already; remove it or record to another path") from None
            raise RecordingError(
                f"{path}: cannot be written ({error.strerror}); choose a folder you may write to"
            ) from None

    @property
    def is_closed(self) -> bool:
        return self._file < 0

    def write(self, data: bytes) -> int:
        try:
            self._append(data)
        except OSError as error:
            self._give_up()
            raise RecordingError(
                f"{self._path}: writing failed after {self._size} bytes ({error.strerror}); "
                "the recording so far is readable: make room and record to another path"
            ) from None
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        os.close(self._file)
        self._file = -1

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    def _give_up(self) -> None:
        """Truncate the file to its last whole record, and add a footer if there is room."""
        try:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            self._append(_bare_end())
        except OSError:
            os.ftruncate(self._file, self._size)
        self.close()


def _bare_end() -> bytes:
    """The last bytes of an MCAP file without a summary."""
    builder = RecordBuilder()
    DataEnd(0).write(builder)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(builder)
    end: bytes = builder.end() + MCAP0_MAGIC
    return end
