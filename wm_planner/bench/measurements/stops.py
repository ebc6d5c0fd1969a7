"""How a car stops when one of the nodes that drive it is suspended, in realtime."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.clock import nanoseconds, seconds
from wm_planner.driving.bridges.messages import ego_state_of, route_of
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.errors import SimulationError
from wm_planner.launching import file as launch_file
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging.domain import Domain
from wm_planner.recording.player import Player
from wm_planner.terminal import table

BEFORE_S, SUSPENDED_S = 3.0, 8.0  # of the drive, and of the node
_FALL = 0.01  # of a speed in m/s from which on it counts as braking


class StopRow(msgspec.Struct, frozen=True):
    """One stop.

    Attributes:
        node: which was suspended.
        speed: of the car then, in m/s.
        command_s: until the first /drive to brake; NaN if its sender was suspended.
        braking_s: until the car had less speed than before, at a resolution of one /odom.
        standing_s: until it stood; NaN if it never did.
        offset_before_m, offset_m: largest distance of the car's centre from the route before and after that.
    """

    node: str
    speed: float
    command_s: float
    braking_s: float
    standing_s: float
    offset_before_m: float
    offset_m: float


def stop_row(node: str, launch: str, folder: Path) -> StopRow:
    """Suspend a node of a drive, and read from the recording what the car did.

    Raises:
        SimulationError: if the drive ended before.
    """
    name = f"stop_{folder.name}"
    spec = launch_file.load(launch_file.find(launch), name, ["clock=realtime", "steps=150"])
    spec = recorded_to(spec, folder / RECORDING)
    held = tuple(dataclasses.replace(each, on_hang="hold") for each in spec.nodes)
    spec = dataclasses.replace(spec, nodes=held)
    suspension = _Suspension(name, node, len(spec.nodes))
    Supervisor(spec, folder, domain=name).run(suspension.step)
    if suspension.began_ns is None:
        raise SimulationError(f"{launch} ended before '{node}' was suspended: see {folder}")
    return _read(node, folder / RECORDING, suspension.began_ns)


def stop_table(rows: list[StopRow], launch: str) -> Table:
    printed = table(
        f"{launch} in realtime, a node suspended for {SUSPENDED_S:g} s",
        *(
            "node",
            "speed",
            "first command to brake",
            "car brakes",
            "car stands",
            "from the route before",
            "after",
        ),
    )
    for row in rows:
        times = (f"{value:.2f} s" for value in (row.command_s, row.braking_s, row.standing_s))
        printed.add_row(
            row.node, f"{row.speed:.1f} m/s", *times, f"{row.offset_before_m:.2f} m", f"{row.offset_m:.2f} m"
        )
    return printed


class _Suspension:
    """Suspends a node of a domain for SUSPENDED_S, once all `count` nodes have been active for BEFORE_S.

    Attributes:
        began_ns: UNIX time; None before.
    """

    def __init__(self, domain: str, node: str, count: int) -> None:
        self._domain, self._node = Domain.named(domain), node
        self._count = count
        self._active_ns: int | None = None
        self._pid: int | None = None
        self.began_ns: int | None = None

    def step(self) -> None:
        now_ns = time.time_ns()
        endpoints = {endpoint.name: endpoint for endpoint in self._domain.endpoints()}
        if self._active_ns is None:
            if sum(endpoint.state == "active" for endpoint in endpoints.values()) == self._count:
                self._active_ns = now_ns
        elif self.began_ns is None:
            if now_ns - self._active_ns > nanoseconds(BEFORE_S) and self._node in endpoints:
                self._pid = endpoints[self._node].pid
                os.kill(self._pid, signal.SIGSTOP)
                self.began_ns = time.time_ns()
        elif self._pid is not None and now_ns - self.began_ns > nanoseconds(SUSPENDED_S):
            os.kill(self._pid, signal.SIGCONT)
            self._pid = None


def _read(node: str, recording: Path, began_ns: int) -> StopRow:
    drives, odometry, line = [], [], None
    for recorded in Player(recording).messages(["/drive", "/odom", "/route"]):
        after_s = seconds(recorded.log_time_ns - began_ns)
        if recorded.topic == "/route":
            line = Centreline(route_of(recorded.message))
        elif recorded.topic == "/drive":
            drives.append((after_s, recorded.message.drive.speed))
        else:
            odometry.append((after_s, *ego_state_of(recorded.message)))
    assert line is not None  # without a route nothing is planned
    states = np.array(odometry)
    after = states[(states[:, 0] > 0) & (states[:, 0] < SUSPENDED_S)]
    before = states[states[:, 0] <= 0]
    before_m, after_m = (float(np.abs(line.project(each[:, 1:3]).d).max()) for each in (before, after))
    stands = after[after[:, 4] < 0.05, 0]
    return StopRow(
        node=node,
        speed=float(before[-1, 4]),
        command_s=_first_fall(np.array(drives)),
        braking_s=_first_fall(states[:, [0, 4]]),
        standing_s=float(stands[0]) if len(stands) else float("nan"),
        offset_before_m=before_m,
        offset_m=after_m,
    )


def _first_fall(speeds: np.ndarray) -> float:
    """When the second column of (n, 2) falls, at times above 0 in the first one; NaN if it never does."""
    falls = np.flatnonzero((np.diff(speeds[:, 1]) < -_FALL) & (speeds[1:, 0] > 0))
    first = float(speeds[falls[0] + 1, 0]) if len(falls) else float("nan")
    return first if first < SUSPENDED_S else float("nan")
