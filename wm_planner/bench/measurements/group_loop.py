"""Where the CPU time of the whole loop goes with all nodes in one process: this one."""

import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from wm_planner.bench.measurements.loop import loop_spec
from wm_planner.bench.measurements.process_loop import ProcessLoopResult
from wm_planner.bench.measurements.spent import Spent
from wm_planner.launching.program_file import node_class
from wm_planner.launching.run import RECORDING
from wm_planner.messaging import codec
from wm_planner.messaging.exchange import Exchange
from wm_planner.node.arguments import Arguments
from wm_planner.node.node import Node
from wm_planner.node.program import Program

_COUNTED = (
    ("pictures", "sim", "observe"),
    ("physics", "sim", "step"),
    ("resets", "sim", "reset"),
    ("encoding", "encoder", "encode"),
    ("encoding", "surprise", "of"),
    ("planning", "adapter", "decide"),
    ("control", "control", "command"),
    ("recorder", "recorder", "write"),
    ("bus", "bus", "publish"),
    ("bus", "bus", "receive"),
)
"""Parts, each with an attribute of the shipped node that has it, and a method of that."""

_WARM_UP = 30  # decisions that are not counted: the first calls of everything are slow


def measure_group_loop(
    launch: str, model: str, episodes: int, folder: Path, overrides: Iterable[str] = ()
) -> ProcessLoopResult:
    """Run a launch file in this process, and count what its parts take; the first decisions are not counted.

    Args:
        folder: for the recording.
        overrides: further arguments of the launch file.
    """
    name = f"loop_{folder.name}"
    spec = loop_spec(launch, model, episodes + 1, name, folder / RECORDING, overrides)
    program, spent = Program(), Spent()
    marks: list[tuple[float, dict[str, float]]] = []

    def count(node: Node) -> None:
        for part, attribute, method in _COUNTED:
            if hasattr(owner := getattr(node, attribute, None), method):
                spent.count(part, owner, method)
        if hasattr(node, "publish_decision"):
            _before(
                node, "publish_decision", lambda: marks.append((time.process_time(), dict(spent.parts_s)))
            )

    nodes = [
        (
            _watched(node_class(node.program), count, program.stop if node.ends_run else lambda: None),
            Arguments(name=node.name, domain=name, mode="lockstep", params=node.params),
        )
        for node in spec.nodes
    ]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    spent.count("bus", codec, "decode")
    spent.count("bus", Exchange, "wait")
    try:
        program.run(nodes)
    finally:
        spent.restore()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    (start_s, before), (end_s, after) = marks[_WARM_UP], marks[-1]
    decisions, total_s = len(marks) - 1 - _WARM_UP, end_s - start_s
    parts_s = {part: (after[part] - before[part]) / decisions for part in after}
    parts_s["nodes and the rest"] = total_s / decisions - sum(parts_s.values())
    return ProcessLoopResult(decisions, decisions / total_s, parts_s)


def _watched(
    kind: type[Node], configured: Callable[[Node], None], finished: Callable[[], None]
) -> type[Node]:
    """A class of nodes that tells when it is configured and when it has finished."""

    class Watched(kind):  # type: ignore[valid-type, misc]
        def configure(self) -> None:
            super().configure()
            configured(self)

        def finish(self, reason: str) -> None:
            super().finish(reason)
            finished()

    return Watched


def _before(owner: object, method: str, call: Callable[[], None]) -> None:
    """Call something before every call of a method."""
    called = getattr(owner, method)

    def both(*arguments: object) -> None:
        call()
        called(*arguments)

    setattr(owner, method, both)
