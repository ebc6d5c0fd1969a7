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
        cpu_share: node to the part of a core it kept busy, by its reports on /diagnostics; the recorder,
            which none of its own reports reach, is left out.
    """

    decisions: int
    rate_hz: float
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
    return LoopResult(
        decisions=len(times),
        rate_hz=(len(times) - 1) / seconds(times[-1] - times[0]),
        cpu_share=_cpu_share(recording),
    )


def _cpu_share(recording: Path) -> dict[str, float]:
    """CPU seconds a second of each node, between its first report and its last; busiest first."""
    reports: dict[str, list[tuple[float, float]]] = {}
    player = Player(recording)
    for recorded in player.messages({"/diagnostics"} & set(player.topics)):
        for status in recorded.message.status:
            values = {pair.key: pair.value for pair in status.values}
            reports.setdefault(status.name, []).append((seconds(recorded.stamp_ns), float(values["cpu_s"])))
    shares = {
        node: (told[-1][1] - told[0][1]) / (told[-1][0] - told[0][0])
        for node, told in reports.items()
        if len(told) > 1
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
