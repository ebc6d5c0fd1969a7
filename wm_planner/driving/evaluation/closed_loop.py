"""One drive in the closed loop, without nodes: at every step a planner plans, and the tracker follows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.drive import Drive
from wm_planner.driving.planners.base import Driver, checked_plan
from wm_planner.driving.simulation.history import History
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of

Floats = NDArray[np.float64]

MAX_DURATION_S = 30.0
"""A drive ends then, whatever its goal's last step says."""

MIN_STEPS = 10
"""Steps of a drive that could have ended sooner: scores need some."""


@dataclass(frozen=True, eq=False)
class DriveResult:
    """A drive that was driven.

    Attributes:
        drive: the problem, its route and its goal.
        history: T moments.
        plans: poses of the rear axle, (H + 1, 3), of each of the T - 1 steps.
        cpu_s: of each plan, in s.
        wall_s: of each plan, in s.
        reached: whether the goal was reached without a failure before.
        collided: whether anything was touched, whoever is to blame.
        off_road: whether the road was left.
        error: what the planner raised, or planned that is no plan, and so ended the drive; empty if it
            did not.
    """

    drive: Drive
    history: History
    plans: tuple[Floats, ...]
    cpu_s: Floats
    wall_s: Floats
    reached: bool
    collided: bool
    off_road: bool
    error: str = ""


def run_drive(
    simulator: DrivingSimulator,
    make: Callable[[], Driver],
    number: int = 0,
    max_duration_s: float = MAX_DURATION_S,
) -> DriveResult:
    """Drive a problem until its goal is reached, or can be no more.

    A goal without a place, "be anywhere at step 33", is reached at its last step.

    Args:
        make: gives a planner that remembers nothing.
        number: of the problem.
    """
    simulator.reset(number)
    plans: list[Floats] = []
    spent: list[tuple[float, float]] = []
    error = ""
    try:
        planner = make()
        make().plan(view_of(simulator))  # the first plan of a process compiles
        for step in range(_most_steps(simulator, max_duration_s)):
            cpu, wall = time.process_time(), time.perf_counter()
            plans.append(checked_plan(planner.plan(view_of(simulator))))
            spent.append((time.process_time() - cpu, time.perf_counter() - wall))
            simulator.follow(plans[-1])
            if simulator.now.arrived and step + 1 >= MIN_STEPS and _has_place(simulator.drive):
                break
    except (Exception, SystemExit) as raised:  # whatever a planner raises is a result of the evaluation
        error = f"{type(raised).__name__}: {raised}"
    moments = simulator.save().trace
    cpu_s, wall_s = np.array(spent).reshape(-1, 2).T
    return DriveResult(
        drive=simulator.drive,
        history=simulator.history,
        plans=tuple(plans),
        cpu_s=cpu_s,
        wall_s=wall_s,
        reached=simulator.reached and not error,
        collided=any(moment.collided for moment in moments),
        off_road=any(moment.off_road for moment in moments),
        error=error,
    )


def _most_steps(simulator: DrivingSimulator, max_duration_s: float) -> int:
    drive = simulator.drive
    last = max((goal.steps[1] for goal in drive.problem.goals), default=drive.first_step + MIN_STEPS)
    return max(min(last - drive.first_step, round(max_duration_s / simulator.scenario.dt)), MIN_STEPS)


def _has_place(drive: Drive) -> bool:
    return any(goal.shapes or goal.lanes for goal in drive.problem.goals)
