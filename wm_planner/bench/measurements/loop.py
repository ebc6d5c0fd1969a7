"""Speed of the whole loop: every node in its own process, in lockstep."""

from collections.abc import Iterable
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
        decisions: number of plans.
        rate_hz: plans per second of wall time, from the first to the last.
        cpu_share: fraction of a core that each node uses, from its reports on /diagnostics; without the
            recorder, which does not record its own reports.
    """

    decisions: int
    rate_hz: float
    cpu_share: dict[str, float]


def measure_loop(
    launch: str, model: str, episodes: int, folder: Path, overrides: Iterable[str] = ()
) -> LoopResult:
    """Run a launch file and compute its rate from the recording.

    Args:
        folder: for logs and recording; it replaces the launch file's recording path.
        overrides: further arguments of the launch file.
    """
    name = f"loop_{folder.name}"
    path = launch_file.find(launch)
    given = [f"model={model}", f"episodes={episodes}", "clock=lockstep", *overrides]
    spec = launch_file.load(path, name, given)
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
    """CPU seconds per second of each node, between its first and last report; busiest first."""
    reports: dict[str, list[tuple[float, float]]] = {}
    player = Player(recording)
    for recorded in player.messages({"/diagnostics"} & set(player.topics)):
        for status in recorded.message.status:
            values = {pair.key: pair.value for pair in status.values}
            reports.setdefault(status.name, []).append((seconds(recorded.stamp_ns), float(values["cpu_s"])))
    shares = {
        node: (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
        for node, samples in reports.items()
        if len(samples) > 1
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
