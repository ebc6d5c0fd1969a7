"""Publishes a recording again, at its own pace or another."""

from collections.abc import Collection
from pathlib import Path

from wm_planner.clock import nanoseconds, seconds
from wm_planner.errors import MessagingError, RecordingError
from wm_planner.messaging import topics
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.declarations import Declaration
from wm_planner.recording.player import Player

_LOOK_S = 0.05


class Playback:
    """Plays a recording on a bus.

    Args:
        path: of an MCAP file.
        bus: to publish on; its domain has no other publisher of the topics.
        only: topics to play; None for all.

    Attributes:
        topics: that are played.

    Raises:
        RecordingError: if it cannot be read, or lacks one of the topics.
        MessagingError: if another node publishes one of the topics.
    """

    def __init__(self, path: Path, bus: Bus, only: Collection[str] | None = None) -> None:
        self._player, self._bus = Player(path), bus
        self.topics = tuple(only or self._player.topics)
        first = next(self._player.messages(self.topics), None)  # checks the topics, and registers their types
        if first is None:
            raise RecordingError(f"{path}: holds no messages")
        for topic in self.topics:
            self._declare(topic)
            bus.advertise(topic)
        bus.announce("active")
        for topic in self.topics:
            if bus.has_publisher(topic):
                raise MessagingError(
                    f"another node of domain '{bus.domain.path.name}' publishes {topic}: choose another "
                    "domain, or play without that topic"
                )

    def wait_for_reader(self) -> None:
        """Return once a node reads one of the topics."""
        while not any(self._bus.has_reader(topic) for topic in self.topics):
            self._bus.wait(_LOOK_S)

    def play(self, rate: float) -> int:
        """Publish all messages; stamps are those of the recording.

        Args:
            rate: of the recorded pace; 0 as fast as the readers take them.

        Returns:
            The number of messages.
        """
        clock, began_ns, count = self._bus.clock, 0, 0
        for count, recorded in enumerate(self._player.messages(self.topics), start=1):
            began_ns = began_ns or recorded.log_time_ns
            due_ns = 0 if rate == 0 else nanoseconds(seconds(recorded.log_time_ns - began_ns) / rate)
            if count == 1:
                start_ns = clock.now_ns()
            while (left_ns := start_ns + due_ns - clock.now_ns()) > 0:
                self._bus.wait(seconds(left_ns))
            self._bus.wait(0.0)
            self._bus.publish_raw(recorded.topic, recorded.current_data)
        return count

    def _declare(self, topic: str) -> None:
        """Add a topic that the table does not have."""
        try:
            row = topics.find(topic)
        except MessagingError:
            Declaration(topic=topic, type=self._player.types[topic]).add()
            return
        if row.type != self._player.types[topic]:
            raise RecordingError(
                f"{self._player.path}: {topic} holds {self._player.types[topic]}, here it carries "
                f"{row.type}; play without that topic"
            )
