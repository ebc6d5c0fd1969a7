"""Judges one fault, or two at once, by the stamps of what was seen on the bus."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.bench.soak.faults import DELAY_S, Fault
from wm_planner.bench.soak.observer import Point
from wm_planner.bench.soak.recovery import Recovery
from wm_planner.bench.soak.robots import Robot
from wm_planner.clock import nanoseconds, seconds

MARGIN_S = 0.1  # beyond one control period, or two where the controller fails, for a hold to begin
RECOVERY_CPU_S = 1.0  # of a respawned node until its first message, without its `configure`
JUMP = 1.05  # shares of what the limits admit in one period of the commands, and a little for rounding
OFFSET_M = 0.9  # from the centre of a lane of 3.5 m, at which a car of 1.7 m reaches its edge; not without a
# controller, when what receives the commands brakes, which knows no route
PLACING_S = 0.5  # after the start of an episode, in which a controller begins anew
INTERRUPTED = 2  # control periods without a command, after which the next begins from the measured state
PLANNING, CONTROLLER = ("planner", "perception", "simulator"), "controller"


class Verdict(msgspec.Struct, frozen=True):
    """What a fault, or two at once, did.

    Attributes:
        launch: of the run.
        number: of the fault in its run, from 1.
        faults: what happened.
        speed: of the robot when it happened, in rad/s or m/s.
        hold_s: from the fault until the set-points came to rest or led there, on the clock of the controller;
            None if they need not.
        receiver_s: the same for the robot's measured motion, where the controller failed.
        limit_s: for the one or the other.
        jump: largest step between two commands, as a share of what the limits admit.
        recoveries: of the nodes that were respawned.
        offset_m: largest distance of a car from its route meanwhile.
        load: of the machine, over one minute.
        notes: what else was not as wanted, in words.
    """

    launch: str
    number: int
    faults: tuple[Fault, ...]
    speed: float
    hold_s: float | None
    receiver_s: float | None
    limit_s: float
    jump: float
    recoveries: tuple[Recovery, ...]
    offset_m: float
    load: float
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return " and ".join(fault.name for fault in self.faults)

    @property
    def misses(self) -> tuple[str, ...]:
        """What was not as wanted, in words."""
        found = list(self.notes)
        for what, value in (("hold", self.hold_s), ("receiver holds", self.receiver_s)):
            if value is not None and value > self.limit_s:
                found.append(f"{what} after {value:.3f} s, limit {self.limit_s:.1f} s")
        if self.jump > JUMP:
            found.append(f"jump of {self.jump:.2f} limits")
        if self.offset_m > OFFSET_M and not needs_receiver(self.faults):
            found.append(f"{self.offset_m:.2f} m from the route")
        for recovery in self.recoveries:
            if recovery.own_cpu_s > RECOVERY_CPU_S:
                found.append(
                    f"{recovery.node} used {recovery.own_cpu_s:.2f} s of CPU until its first message"
                )
        return tuple(found)


def unmeasured(launch: str, number: int, fault: Fault, notes: tuple[str, ...]) -> Verdict:
    """The verdict on a fault after which no robot is left to hold."""
    return Verdict(launch, number, (fault,), 0.0, None, None, 0.0, 0.0, (), 0.0, os.getloadavg()[0], notes)


def hold_limit_s(faults: Sequence[Fault], period_s: float) -> float:
    """By when a robot must come to rest; what is late on the link adds to it."""
    periods = 2 if needs_receiver(faults) else 1
    late_s = DELAY_S if any(fault.kind == "delay" for fault in faults) else 0.0
    return periods * period_s + MARGIN_S + late_s


def needs_hold(faults: Sequence[Fault]) -> bool:
    """Whether the controller must bring the robot to rest."""
    return any(fault.kind in ("kill", "stop") and fault.node in PLANNING for fault in faults)


def needs_receiver(faults: Sequence[Fault]) -> bool:
    """Whether what receives the commands must do it."""
    return any(fault.kind in ("kill", "stop") and fault.node == CONTROLLER for fault in faults)


def steps(points: Sequence[Point], starts_ns: Sequence[int]) -> Iterator[tuple[Point, Point]]:
    """Each point with the next one, without those at the start of an episode, where the robot is placed."""
    for before, after in pairwise(points):
        if not any(
            before.stamp_ns - nanoseconds(PLACING_S) <= start <= after.stamp_ns for start in starts_ns
        ):
            yield before, after


def hold_s(
    robot: Robot, points: Sequence[Point], starts_ns: Sequence[int], began_ns: int, ended_ns: int
) -> float:
    """When a robot was last seen to move on without coming to rest, in s after a fault; 0 if it never was.

    Args:
        points: commands or measured states in order, with at least two before the fault.
        starts_ns: of episodes.
        ended_ns: when normal plans or commands came again; what was published later shows their effect.
    """
    last_ns, speed = began_ns, 0.0
    last: Point | None = None
    for before, after in steps(points, starts_ns):
        elapsed_s = seconds(after.stamp_ns - before.stamp_ns)
        if elapsed_s <= 0 or after.sender != before.sender:
            continue
        is_next, last = before is last, after
        previous, speed = speed, robot.speed(before.values, after.values, elapsed_s)
        is_judged = is_next and began_ns < after.stamp_ns <= after.sent_ns < ended_ns
        if is_judged and not robot.slows(previous, speed, elapsed_s):
            last_ns = after.stamp_ns
    return seconds(last_ns - began_ns)


def largest_jump(
    robot: Robot,
    commands: Sequence[Point],
    states: Sequence[Point],
    starts_ns: Sequence[int],
    period_s: float,
    rate_hz: float,
) -> float:
    """The largest step between two commands, as a share of what the limits admit in the time between them.

    After INTERRUPTED control periods of `period_s` without a command, or from another controller, the step is
    that from the nearest of the states measured in such a time.
    """
    largest = 0.0
    for before, after in steps(commands, starts_ns):
        gap_s = seconds(after.stamp_ns - before.stamp_ns)
        if gap_s > INTERRUPTED * period_s or after.sender != before.sender:
            origins = _measured_before(after, states, INTERRUPTED * period_s)
        else:
            origins = [(before.values, gap_s)]
        ratios = [
            float(np.nanmax(np.abs(after.values - values) / (robot.limits * max(time_s, 1 / rate_hz))))
            for values, time_s in origins
        ]
        largest = max(largest, min(ratios, default=0.0))
    return largest


def _measured_before(
    command: Point, states: Sequence[Point], window_s: float
) -> list[tuple[NDArray[np.float64], float]]:
    """The states that a controller can have begun from, and how long before its command: the last ones that
    were published within a time."""
    known = [state for state in states if state.sent_ns <= command.sent_ns]
    recent = [each for each in known if command.sent_ns - each.sent_ns <= nanoseconds(window_s)] or known[-1:]
    return [(each.values, seconds(command.stamp_ns - each.stamp_ns)) for each in recent]
