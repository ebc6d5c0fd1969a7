"""Equal runs in lockstep: whether each topic carries the same bytes every time, while other programs run."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from wm_planner.bench.measurements.busy import busy
from wm_planner.errors import RecordingError
from wm_planner.evaluation.replay.difference import first_difference
from wm_planner.launching import file as launch_file
from wm_planner.launching.events import Event
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging import codec, topics
from wm_planner.recording.player import Player, Recorded
from wm_planner.terminal import table

_STALL_S = 60.0  # a tick is repeated only if a message was lost, not because the machine is slow
_UNUSUAL = ("hung", "died", "respawned", "killed")


@dataclass(frozen=True, slots=True)
class RepeatRow:
    """A topic of all runs.

    Attributes:
        messages: number in the first run.
        equal: number of runs whose messages have the bytes of those of the first run, the first included.
        difference: where the first other run differs; empty without one.
    """

    topic: str
    messages: int
    equal: int
    difference: str


def run_repeatedly(
    launch: str, overrides: Iterable[str], runs: int, burners: int, folder: Path
) -> list[RepeatRow]:
    """Run a launch file in lockstep again and again, and compare the recordings.

    Args:
        overrides: arguments of the launch file.
        burners: number of processes that use a core each meanwhile.
        folder: for logs and recordings.

    Raises:
        RecordingError: if a run was not recorded to its end.
    """
    recordings = []
    with busy(burners):
        for run in range(1, runs + 1):
            name = f"repeat-{folder.name}"
            spec = launch_file.load(launch_file.find(launch), name, [*overrides, "clock=lockstep"])
            recordings.append(folder / str(run) / RECORDING)
            spec = recorded_to(spec, recordings[-1])
            for node in spec.nodes:
                if node.program.stem == "simulator":
                    node.params["stall_s"] = _STALL_S
            supervisor = Supervisor(spec, folder / str(run), domain=name)
            supervisor.run()
            check_whole(recordings[-1], supervisor.events)
    return compared(recordings)


def check_whole(path: Path, events: Iterable[Event] = ()) -> None:
    """Refuse a recording that lacks the end of its run, which says nothing about what the nodes published.

    A recorder that is killed loses what it has not written yet: up to 1 MiB, or the messages of the last
    second. Of a short run that may be everything.

    Args:
        path: of its first file.
        events: of the run; those that are no part of a run without faults are named.

    Raises:
        RecordingError: if it holds no messages, or one of its files was not closed.
    """
    player = Player(path)
    if player.counts and player.is_complete:
        return
    problem = "was cut off" if player.counts else "holds no messages"
    unusual = [f"{e.node} {e.kind}: {e.detail}" for e in events if e.kind in _UNUSUAL]
    why = "; ".join(unusual) or "no node was killed or started again"
    raise RecordingError(f"{path}: {problem}, so this run cannot be compared ({why})")


def compared(recordings: Sequence[Path]) -> list[RepeatRow]:
    """Compare recordings topic by topic with the first, without measured times."""
    first, *others = map(_digests, recordings)
    rows = []
    for topic in sorted({topic for digests in (first, *others) for topic in digests}):
        wanted = first.get(topic, [])
        differing = [
            path
            for path, digests in zip(recordings[1:], others, strict=True)
            if digests.get(topic, []) != wanted
        ]
        difference = _difference(topic, recordings[0], differing[0]) if differing else ""
        rows.append(RepeatRow(topic, len(wanted), len(recordings) - len(differing), difference))
    return rows


def repeat_table(rows: Sequence[RepeatRow], launch: str, runs: int, burners: int) -> Table:
    """The rows as a table."""
    title = f"{launch}: {runs} runs in lockstep next to {burners} busy processes, bytes of each topic"
    printed = table(title, "topic", "messages", "equal runs", "first difference")
    for row in rows:
        printed.add_row(row.topic, str(row.messages), f"{row.equal}/{runs}", row.difference)
    return printed


def _digests(path: Path) -> dict[str, list[bytes]]:
    """A digest of each message by topic."""
    found: dict[str, list[bytes]] = {}
    for recorded in Player(path).messages():
        if _measured(recorded.topic) != topics.ALL_FIELDS:
            found.setdefault(recorded.topic, []).append(hashlib.sha256(_payload(recorded)).digest())
    return found


def _payload(recorded: Recorded) -> bytes:
    """The bytes of a message, without the fields that hold measured times."""
    measured = _measured(recorded.topic)
    if not measured:
        return recorded.data
    message = recorded.message
    for field in measured:
        setattr(message, field, 0.0)
    return codec.encode(message)


def _measured(topic: str) -> tuple[str, ...]:
    return topics.find(topic).measured


def _difference(topic: str, first: Path, other: Path) -> str:
    """The first message and field in which two recordings differ."""
    pairs = zip(_messages(topic, first), _messages(topic, other), strict=False)
    for number, (one, two) in enumerate(pairs, start=1):
        if _payload(one) != _payload(two):
            found = first_difference(one.message, two.message, without=_measured(topic))
            what = f"{found.field}: {found.recorded}, {found.replayed}" if found else "padding"
            return f"run {other.parent.name}, message {number}, {what}"
    counts = (sum(1 for _ in _messages(topic, path)) for path in (first, other))
    return f"run {other.parent.name}: {' and '.join(map(str, counts))} messages"


def _messages(topic: str, path: Path) -> Iterator[Recorded]:
    player = Player(path)
    return player.messages([topic]) if topic in player.topics else iter(())
