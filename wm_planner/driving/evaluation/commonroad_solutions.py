"""Simulated drives as answers to CommonRoad problems: validity, the eight costs, solution files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wm_planner.driving.evaluation.closed_loop import DriveResult
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.metrics.commonroad import VEHICLES, commonroad_cost
from wm_planner.driving.metrics.commonroad_validity import validity
from wm_planner.driving.scenarios.writers.solution import COSTS, ProblemSolution, write_solution
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.errors import ScenarioError

SUFFIX = ".xml"
RANKED = "SM1"
"""The cost function under which solution files are handed in."""


def solution_of(driven: DriveResult, cost: str = RANKED) -> ProblemSolution | None:
    """The drive in states of the kinematic single track; None of a vehicle that CommonRoad has not."""
    number = next((n for n, vehicle in VEHICLES.items() if vehicle is driven.history.vehicle), None)
    if number is None:
        return None
    states = driven.history.vehicle.at_centre(driven.history.ego)[:, [X, Y, STEERING, SPEED, YAW]]
    return ProblemSolution(
        driven.drive.problem.id, "KS", number, cost, states.round(12), driven.history.first_step
    )


def costs_of(driven: DriveResult) -> dict[str, float | None]:
    """All cost functions, those None that need lanes where the drive is off them; by name."""
    return {cost: _cost(driven, cost) for cost in COSTS}


def conditions_met(driven: DriveResult) -> Mapping[str, bool]:
    """What a solution has to fulfil, among the others as they were in this drive; empty without an answer."""
    answer = solution_of(driven)
    if answer is None:
        return {}
    return validity(driven.history.as_scenario(), driven.drive.problem, answer)._asdict()


def write_solutions(driven: Sequence[DriveResult], folder: Path) -> Path | None:
    """Write the drives of one CommonRoad scenario as one solution file; None where there is no answer."""
    answers = [answer for each in driven if (answer := solution_of(each)) is not None]
    if not answers:
        return None
    identity = driven[0].history.scenario.id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{identity}{SUFFIX}"
    spent = float(np.sum([np.sum(each.wall_s) for each in driven]))
    write_solution(identity, answers, path, computation_time_s=max(spent, 1e-6))
    return path


def _cost(driven: DriveResult, cost: str) -> float | None:
    answer = solution_of(driven, cost)
    if answer is None:
        return None
    try:
        total = commonroad_cost(driven.history.as_scenario(), driven.drive.problem, answer).total
    except ScenarioError:
        return None
    return float(total)
