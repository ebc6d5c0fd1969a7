"""What a recording holds: topics, numbers of messages, duration."""

from collections.abc import Mapping
from pathlib import Path

from wm_planner.clock import seconds
from wm_planner.config import Config
from wm_planner.recording.bag import Bag
from wm_planner.recording.player import Player


class RecordedTopic(Config, frozen=True, kw_only=True):
    """A topic of a recording.

    Attributes:
        messages, lost: number of messages, and of those that are missing by their sequence numbers.
        publishers: number of publishers; a node that was respawned counts as another.
    """

    topic: str
    type: str
    messages: int
    lost: int
    publishers: int


class Contents(Config, frozen=True, kw_only=True):
    """The contents of a recording.

    Attributes:
        files: in order, one per start of the recorder.
        is_complete: whether all of them were closed properly.
        metadata: written when it was closed.
        attachments: names of the attached files.
    """

    path: str
    files: list[str]
    duration_s: float
    is_complete: bool
    topics: list[RecordedTopic]
    metadata: dict[str, str]
    attachments: list[str]


def contents_of(path: Path) -> Contents:
    """Survey an MCAP file, or a recording of rosbag2 as a folder or an SQLite file.

    Raises:
        RecordingError: if it cannot be read.
    """
    return _of_mcap(path) if path.suffix == ".mcap" else _of_bag(path)


def _of_mcap(path: Path) -> Contents:
    player = Player(path)
    types = {topic: player.types[topic] for topic in player.topics}
    metadata = {
        key: text for key, text in player.metadata.items() if not key.startswith(("messages ", "gaps"))
    }
    return _contents(player, types, player.gaps, metadata, sorted(player.attachments))


def _of_bag(path: Path) -> Contents:
    bag = Bag(path)
    return _contents(bag, bag.topics, {}, {}, [])


def _contents(
    recording: Player | Bag,
    types: Mapping[str, str],
    lost: Mapping[str, int],
    metadata: dict[str, str],
    attachments: list[str],
) -> Contents:
    begin_ns, end_ns = recording.span_ns
    return Contents(
        path=str(recording.path),
        files=[str(part) for part in recording.parts],
        duration_s=seconds(end_ns - begin_ns),
        is_complete=recording.is_complete,
        topics=[
            RecordedTopic(
                topic=topic,
                type=kind,
                messages=recording.counts[topic],
                lost=lost.get(topic, 0),
                publishers=recording.publishers[topic],
            )
            for topic, kind in sorted(types.items())
        ],
        metadata=metadata,
        attachments=attachments,
    )
