"""Recordings of any ROS 2 system: a rosbag2 folder (SQLite or MCAP) or an MCAP file, with the types in it."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError

from wm_planner.clock import NANOSECONDS
from wm_planner.errors import RecordingError, did_you_mean
from wm_planner.messaging.messages import STORE, Message
from wm_planner.recording.parts import parts_of
from wm_planner.recording.player import Player

SUFFIXES = (".mcap", ".db3")
METADATA_FILE = "metadata.yaml"


class BagMessage(NamedTuple):
    """A message of a recording.

    Attributes:
        topic: of the message.
        stamp_ns: of its header, or the time at which it was recorded if it has none.
        message: decoded.
    """

    topic: str
    stamp_ns: int
    message: Message


def is_recording(path: Path) -> bool:
    """Whether `path` is a file or a folder that `Bag` reads."""
    return path.suffix in SUFFIXES if path.is_file() else (path / METADATA_FILE).is_file()


class Bag:
    """A recording.

    Attributes:
        path: of the file or folder.
        parts: the files of an MCAP recording that has several, see `parts_of`; else the path alone.
        topics: topic to the ROS 2 name of its type.
        counts, publishers: numbers of messages and of publishers by topic.
        span_ns: UNIX times at which the first and the last message were recorded.
        is_complete: whether it was closed properly; of an MCAP file that was cut, the whole part is read.

    Raises:
        RecordingError: if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_complete = path, True
        self.parts = parts_of(path) if path.suffix == ".mcap" else (path,)
        self._player: Player | None = None
        if len(self.parts) > 1:
            self._read_by(Player(path))
        else:
            self._read_by_rosbags()

    def _read_by_rosbags(self) -> None:
        """Read anything that is whole; a file that was cut is left to `Player`."""
        try:
            with AnyReader([self.path], default_typestore=STORE) as reader:
                self.topics = {connection.topic: connection.msgtype for connection in reader.connections}
                self.publishers = Counter(connection.topic for connection in reader.connections)
                self.counts = Counter({name: info.msgcount for name, info in reader.topics.items()})
                self.span_ns = (reader.start_time, reader.end_time)
        except Exception as error:  # rosbags' readers and its parser of definitions raise many kinds
            if self.path.suffix != ".mcap" or (cut := Player(self.path)).is_complete:
                why = f"{type(error).__name__}: {error}"
                raise RecordingError(f"{self.path}: cannot be read ({why})") from None
            self._read_by(cut)

    def _read_by(self, player: Player) -> None:
        """Read what rosbags does not: a file that was cut, and a recording of several files."""
        self._player, self.is_complete = player, player.is_complete
        self.topics = {topic: player.types[topic] for topic in player.topics}
        self.counts, self.publishers, self.span_ns = player.counts, player.publishers, player.span_ns

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of some topics in the order in which they were recorded.

        Raises:
            RecordingError: if a topic was not recorded, or a message is damaged.
        """
        for topic in topics:
            if topic not in self.topics:
                raise RecordingError(
                    f"{self.path}: no messages on '{topic}', {did_you_mean(topic, self.topics)}"
                )
        if self._player is not None:
            for recorded in self._player.messages(topics):
                yield _stamped(recorded.topic, recorded.log_time_ns, recorded.message)
            return
        try:
            with AnyReader([self.path], default_typestore=STORE) as reader:
                wanted = [connection for connection in reader.connections if connection.topic in topics]
                for connection, time_ns, data in reader.messages(connections=wanted):
                    message = reader.deserialize(data, connection.msgtype)
                    yield _stamped(connection.topic, time_ns, message)
        except (AnyReaderError, ReaderError, ValueError, KeyError) as error:
            raise RecordingError(f"{self.path}: is damaged ({type(error).__name__}: {error})") from None


def _stamped(topic: str, time_ns: int, message: Message) -> BagMessage:
    header = getattr(message, "header", None)
    if header is None:
        return BagMessage(topic, time_ns, message)
    return BagMessage(topic, header.stamp.sec * NANOSECONDS + header.stamp.nanosec, message)
