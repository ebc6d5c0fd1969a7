"""Feeds a recording to one node in lockstep, and compares what it publishes with what was recorded."""

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wm_planner import share
from wm_planner.config import convert, put
from wm_planner.errors import ConfigError, RecordingError, did_you_mean
from wm_planner.evaluation.replay.bus import ReplayBus
from wm_planner.evaluation.replay.difference import Difference, first_difference
from wm_planner.launching.program_file import node_class
from wm_planner.launching.run import Launched, LaunchedNode, recording_of
from wm_planner.messaging import codec, topics
from wm_planner.messaging.declarations import add_all
from wm_planner.messaging.messages import Message, stamp_ns
from wm_planner.messaging.names import Names
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.node.node import Node
from wm_planner.recording.player import Player, Recorded


@dataclass(frozen=True)
class Mismatch:
    """The first message of a topic that differs.

    Attributes:
        number: of the message on its topic, from 1.
        stamp_ns: of the recorded message; of the replayed one if it was not recorded; None without a stamp.
        difference: of the first field.
    """

    topic: str
    number: int
    stamp_ns: int | None
    difference: Difference


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        equal: number of equal messages by topic.
        mismatch: the first difference in the order of the recording; None if everything is equal.
    """

    equal: dict[str, int]
    mismatch: Mismatch | None


def check(
    folder: Path,
    node: str,
    program: Path | None = None,
    settings: tuple[tuple[str, Any], ...] = (),
    tolerance: float = 0.0,
) -> Check:
    """Replay a run through one of its nodes.

    Args:
        folder: of a run in lockstep, `runs/NAME`: its launch.yaml and its recording.
        node: name of the node.
        program: to run in place of the recorded node's.
        settings: parameters to change, by dotted path.
        tolerance: absolute and relative difference up to which floats are equal.

    Raises:
        ConfigError: if the run has no such node, its outputs do not follow from recorded inputs, or a
            parameter does not fit.
        RecordingError: if it was recorded in realtime, is incomplete, or the node was respawned in it.
    """
    launched = Launched.read(folder)
    add_all(tuple(launched.topics), f"{folder}: topics")
    player = Player(recording_of(folder))
    if launched.clock != "lockstep":
        raise RecordingError(
            f"{player.path}: recorded in {launched.clock}, where results depend on the time "
            "that things take; record a run in lockstep"
        )
    replayed, bus = _node(launched, player, node, program, settings)
    _run(replayed, bus, player)
    _refuse_other_publishers(player, bus, node)
    return _compared(player, bus, tolerance)


def _node(
    launched: Launched, player: Player, name: str, program: Path | None, settings: tuple[tuple[str, Any], ...]
) -> tuple[Node, ReplayBus]:
    nodes = {node.name: node for node in launched.nodes}
    if name not in nodes:
        raise ConfigError(f"{player.path.parent}: no node '{name}', {did_you_mean(name, nodes)}")
    spec = nodes[name]
    kind = node_class(program or _program(spec))
    if kind.unreplayed:
        raise ConfigError(
            f"{player.path.parent}: node '{name}' cannot be checked: {kind.unreplayed}; check another of "
            f"{', '.join(nodes)}"
        )
    params = dict(spec.params)
    for path, value in settings:
        put(params, path, value)
    bus = ReplayBus(name, Names(spec.namespace, spec.remap), frozenset(player.topics))
    return kind(bus, convert(params, kind.Params, f"{name}: params"), "lockstep"), bus


def _program(spec: LaunchedNode) -> Path:
    """The program of a node; a shipped one is also found where the run's checkout is not."""
    path = Path(spec.exec)
    return path if path.is_file() else share.find(f"nodes/{path.name}")


def _run(node: Node, bus: ReplayBus, player: Player) -> None:
    """Lead the node through its lifecycle, with every recorded message that it reads."""
    try:
        _feed(node, bus, player)
    finally:
        node.cleanup()
        bus.close()


def _feed(node: Node, bus: ReplayBus, player: Player) -> None:
    node.enter("unconfigured")
    node.configure()
    bus.names.check_used()
    node.enter("inactive")
    inputs = bus.inputs & set(player.topics)
    is_started = False
    sequences: Counter[str] = Counter()
    # The recorder hears several nodes, and may hear an answer before what it answers.
    for recorded in sorted(player.messages(inputs), key=lambda each: each.publish_time_ns):
        bus.clock.set_ns(recorded.publish_time_ns)
        if not is_started:
            node.start()
            is_started = True
        sequences[recorded.topic] += 1
        bus.feed(_delivery(recorded, sequences[recorded.topic]))
        while not bus.is_empty and node.finished is None:
            node.spin_once()
    if is_started:
        node.deactivate()


def _delivery(recorded: Recorded, sequence: int) -> Delivery:
    envelope = Envelope(sequence, recorded.publish_time_ns, recorded.publish_time_ns, 0, 0)
    return Delivery(recorded.topic, recorded.type_name, envelope, recorded.current_data)


def _refuse_other_publishers(player: Player, bus: ReplayBus, node: str) -> None:
    """Refuse a recording in which the topics of the node were not published by one process alone."""
    for topic in sorted(_compared_topics(bus)):
        if player.publishers.get(topic, 0) > 1:
            raise RecordingError(
                f"{player.path}: {topic} has {player.publishers[topic]} publishers: node '{node}' was "
                "respawned, or another node publishes it too; check a run without that"
            )


def _compared_topics(bus: ReplayBus) -> set[str]:
    return {topic for topic in bus.publishes if topics.find(topic).measured != topics.ALL_FIELDS}


def _compared(player: Player, bus: ReplayBus, tolerance: float) -> Check:
    """Compare topic by topic, in the order of the recording."""
    compared = _compared_topics(bus)
    replayed: dict[str, deque[codec.Buffer]] = {topic: deque() for topic in compared}
    for output in bus.outputs:
        if output.topic in compared:
            replayed[output.topic].append(output.data)
    equal = dict.fromkeys(sorted(compared), 0)
    for recorded in player.messages(compared & set(player.topics)):
        difference = _difference(recorded, replayed[recorded.topic], tolerance)
        if difference is not None:
            number = equal[recorded.topic] + 1
            return Check(equal, Mismatch(recorded.topic, number, _stamp(recorded.message), difference))
        equal[recorded.topic] += 1
    for topic, left in sorted(replayed.items()):
        if left:
            counts = Difference("number of messages", equal[topic], equal[topic] + len(left))
            first = codec.decode(topics.find(topic).type, left[0])
            return Check(equal, Mismatch(topic, equal[topic] + 1, _stamp(first), counts))
    return Check(equal, None)


def _difference(recorded: Recorded, replayed: deque[codec.Buffer], tolerance: float) -> Difference | None:
    if not replayed:
        return Difference("message", "one", "none")
    data = replayed.popleft()
    if data == recorded.data:
        return None
    row = topics.find(recorded.topic)
    return first_difference(recorded.message, codec.decode(row.type, data), tolerance, row.measured)


def _stamp(message: Message) -> int | None:
    try:
        return stamp_ns(message)
    except AttributeError:
        return None
