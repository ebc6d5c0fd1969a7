"""Closed-loop simulation of one drive, without nodes: plan at every step and track the plan."""

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
"""A drive ends at this time at the latest."""

MIN_STEPS = 10
"""Shortest drive in steps; metrics need some."""


@dataclass(frozen=True, eq=False)
class DriveResult:
    """The result of a simulated drive.

    Attributes:
        drive: the planning problem with its route and goals.
        history: T states.
        plans: poses of the rear axle planned at each of the T - 1 steps, (H + 1, 3) each.
        cpu_s: CPU time of each plan, in s.
        wall_s: wall time of each plan, in s.
        reached: whether the goal was reached without a failure before.
        collided: whether the ego touched an obstacle, at fault or not.
        off_road: whether the ego left the road.
        error: what the driver raised, or why its plan was refused, which ended the drive; else empty.
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
    make_driver: Callable[[], Driver],
    problem_index: int = 0,
    max_duration_s: float = MAX_DURATION_S,
) -> DriveResult:
    """Simulate a drive until its goal is reached or the goal's time is over.

    A goal without a place ("be anywhere at step 33") is reached at its last step.

    Args:
        make_driver: builds a driver with an empty memory.
        problem_index: index of the planning problem in the scenario.
    """
    simulator.reset(problem_index)
    plans: list[Floats] = []
    times: list[tuple[float, float]] = []
    error = ""
    try:
        driver = make_driver()
        make_driver().plan(view_of(simulator))  # the first plan of a process compiles kernels
        for step in range(_max_steps(simulator, max_duration_s)):
            cpu, wall = time.process_time(), time.perf_counter()
            plans.append(checked_plan(driver.plan(view_of(simulator))))
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
            simulator.follow(plans[-1])
            if simulator.now.arrived and step + 1 >= MIN_STEPS and _has_place(simulator.drive):
                break
    except (Exception, SystemExit) as raised:  # whatever a driver raises is a result of the evaluation
        error = f"{type(raised).__name__}: {raised}"
    trace = simulator.save().trace
    cpu_s, wall_s = np.array(times).reshape(-1, 2).T
    return DriveResult(
        drive=simulator.drive,
        history=simulator.history,
        plans=tuple(plans),
        cpu_s=cpu_s,
        wall_s=wall_s,
        reached=simulator.reached and not error,
        collided=any(world.collided for world in trace),
        off_road=any(world.off_road for world in trace),
        error=error,
    )


def _max_steps(simulator: DrivingSimulator, max_duration_s: float) -> int:
    return max(min(simulator.objective.steps, round(max_duration_s / simulator.scenario.dt)), MIN_STEPS)


def _has_place(drive: Drive) -> bool:
    return any(goal.shapes or goal.lanes for goal in drive.problem.goals)
