"""How fast the whole loop runs: every node as its own process, in lockstep."""

from dataclasses import dataclass
from pathlib import Path

from wm_planner.clock import seconds
from wm_planner.launching import file as launch_file
from wm_planner.launching.run import RECORDING
from wm_planner.launching.supervisor import Supervisor
from wm_planner.recording.player import Player


@dataclass(frozen=True, slots=True)
class LoopResult:
    """One measurement.

    Attributes:
        rate_hz: decisions a second of wall time, from the first plan to the last.
        cpu_s: of all nodes, from their first report on /diagnostics to their last.
        cpu_share: node to its part of that.
    """

    decisions: int
    rate_hz: float
    cpu_s: float
    cpu_share: dict[str, float]


def measure_loop(launch: str, model: str, episodes: int, folder: Path) -> LoopResult:
    """Run a launch file and read its pace from the recording.

    Args:
        folder: takes logs and recording; the launch file's own recording path is replaced.
    """
    name = f"loop_{folder.name}"
    path = launch_file.find(launch)
    spec = launch_file.load(path, name, [f"model={model}", f"episodes={episodes}", "clock=lockstep"])
    recording = folder / RECORDING
    for node in spec.nodes:
        if node.program.stem == "recorder":
            node.params["path"] = str(recording)
    Supervisor(spec, folder, domain=name).run()
    times = [recorded.log_time_ns for recorded in Player(recording).messages(["/plan"])]
    cpu = _cpu_seconds(recording)
    total = sum(cpu.values())
    return LoopResult(
        decisions=len(times),
        rate_hz=(len(times) - 1) / seconds(times[-1] - times[0]),
        cpu_s=total,
        cpu_share={node: spent / total for node, spent in sorted(cpu.items(), key=lambda item: -item[1])},
    )


def _cpu_seconds(recording: Path) -> dict[str, float]:
    """CPU seconds of each node while it was active, as it reported them."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for recorded in Player(recording).messages(["/diagnostics"]):
        for status in recorded.message.status:
            values = {pair.key: pair.value for pair in status.values}
            last[status.name] = float(values["cpu_s"])
            first.setdefault(status.name, last[status.name])
    return {node: last[node] - first[node] for node in last}
