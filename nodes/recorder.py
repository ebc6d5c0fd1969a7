"""The recorder node: every topic of the domain into one MCAP file."""

from collections.abc import Mapping
from pathlib import Path

from wm_planner import share
from wm_planner.config import Config
from wm_planner.errors import RecordingError
from wm_planner.messaging.wire import ANY, Delivery
from wm_planner.node import Node, run
from wm_planner.recording.parts import unused
from wm_planner.recording.recorder import Recorder

_DRAIN_S = 1.5


class RecorderNode(Node):
    """Records every topic and checks by sequence numbers that nothing is missing."""

    class Params(Config, frozen=True, kw_only=True):
        """Attributes:
        path: the file to write; where it exists, the recording continues in `..._2.mcap`, `..._3.mcap`, ...
        topics: what to record; "*" is all.
        attach: files to put into the recording (the launch file, cards).
        """

        path: str
        topics: tuple[str, ...] = (ANY,)
        attach: tuple[str, ...] = ()

    gather_s = 0.01  # the messages of a whole tick or more; no other node waits for the recorder
    unreplayed = "it publishes nothing, and would record what is fed to it"
    params: Params
    recorder: Recorder | None = None

    def configure(self) -> None:
        wanted = Path(self.params.path)
        self.recorder = Recorder(unused(wanted), self.clock)
        if self.recorder.path != wanted:
            self.log.warning("%s exists: recording to %s", wanted, self.recorder.path)
        for path in self.params.attach:
            self.recorder.attach(share.find(path))
        for topic in self.params.topics:
            self.tap(topic, self.record)

    def record(self, delivery: Delivery) -> None:
        """Write a message; where that fails, recording stops and the run goes on."""
        if self.recorder is None or self.recorder.is_closed:
            return
        try:
            self.recorder.write(delivery)
        except RecordingError as error:
            self.failure = f"recording has stopped: {error}"
            self.log.error("%s", self.failure)

    def deactivate(self) -> None:
        if self.recorder is not None and not self.recorder.is_closed:
            self.drain(_DRAIN_S)

    def cleanup(self) -> None:
        if self.recorder is not None:
            self.recorder.close({"mode": self.mode})
            self.log.info("%s", summary(self.recorder.messages, self.recorder.gaps))
        if self.failure:
            raise RecordingError(self.failure)


def summary(messages: Mapping[str, int], gaps: Mapping[str, int]) -> str:
    """What a recording holds, in words; `messages` and `gaps` are numbers by topic."""
    counts = ", ".join(f"{topic} {count}" for topic, count in sorted(messages.items()))
    return f"recorded {sum(messages.values())} messages ({counts or 'none'}), {sum(gaps.values())} missing"


if __name__ == "__main__":
    run(RecorderNode)
