"""Speed of the whole loop in lockstep: every node in its own process, or all of them in one."""

import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wm_planner.clock import seconds
from wm_planner.launching import file as launch_file
from wm_planner.launching.activity import activity_of
from wm_planner.launching.file import LaunchSpec
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging.domain import Domain
from wm_planner.recording.player import Player


@dataclass(frozen=True, slots=True)
class LoopResult:
    """One measurement.

    Attributes:
        decisions: number of plans.
        rate_hz: plans per second of wall time, from the first to the last.
        per_cpu_s: plans per second of CPU time of all processes, this one included: the rate on a core that
            does nothing else. NaN for a run of less than two seconds.
        cpu_share: fraction of a core that each node uses, from its reports on /diagnostics; without the
            recorder, which does not record its own reports.
    """

    decisions: int
    rate_hz: float
    per_cpu_s: float
    cpu_share: dict[str, float]


def measure_loop(
    launch: str,
    model: str,
    episodes: int,
    folder: Path,
    overrides: Iterable[str] = (),
    is_grouped: bool = False,
) -> LoopResult:
    """Run a launch file and compute its rate from the recording.

    Args:
        folder: for logs and recording; it replaces the launch file's recording path.
        overrides: further arguments of the launch file.
        is_grouped: all nodes share a process.
    """
    name, recording = f"loop_{folder.name}", folder / RECORDING
    spec = loop_spec(launch, model, episodes, name, recording, overrides)
    if is_grouped:
        nodes = tuple(replace(node, group="loop", respawn="never") for node in spec.nodes)
        spec = replace(spec, nodes=nodes)
    usage = CpuUsage(name)
    Supervisor(spec, folder, domain=name).run(usage.look)
    times = [recorded.log_time_ns for recorded in Player(recording).messages(["/plan"])]
    return LoopResult(
        decisions=len(times),
        rate_hz=(len(times) - 1) / seconds(times[-1] - times[0]),
        per_cpu_s=usage.rate(times),
        cpu_share=_cpu_share(recording),
    )


def loop_spec(
    launch: str, model: str, episodes: int, name: str, recording: Path, overrides: Iterable[str]
) -> LaunchSpec:
    """A launch file in lockstep, with the path of its recording replaced."""
    given = [f"model={model}", f"episodes={episodes}", "clock=lockstep", *overrides]
    return recorded_to(launch_file.load(launch_file.find(launch), name, given), recording)


class CpuUsage:
    """CPU time of all processes of a run, noted once a second.

    Attributes:
        notes: UNIX time in ns, and the CPU time in s so far by process number.
    """

    def __init__(self, domain: str) -> None:
        self._domain, self._due_s = Domain.named(domain), 0.0
        self.notes: list[tuple[int, dict[int, float]]] = []

    def look(self) -> None:
        """Note the CPU time used so far, if a second has passed."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + 1.0
        used = {node.pid: activity_of(node.pid) for node in self._domain.endpoints()}
        ticks = os.sysconf("SC_CLK_TCK")
        cpu_s = {pid: activity.cpu_ticks / ticks for pid, activity in used.items() if activity is not None}
        self.notes.append((time.time_ns(), {**cpu_s, os.getpid(): time.process_time()}))

    def rate(self, plans_ns: Sequence[int]) -> float:
        """Plans per second of CPU time while all nodes ran, from the times of all plans."""
        noted = [note for note in self.notes if plans_ns[0] <= note[0] <= plans_ns[-1]]
        if len(noted) < 2 or noted[0][1].keys() != noted[-1][1].keys():
            return math.nan
        (start_ns, before), (end_ns, after) = noted[0], noted[-1]
        return sum(start_ns < at <= end_ns for at in plans_ns) / (sum(after.values()) - sum(before.values()))


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
