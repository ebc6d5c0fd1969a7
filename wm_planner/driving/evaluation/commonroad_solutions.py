"""Simulated drives as solutions of CommonRoad problems: validity, the eight costs, solution files."""

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
"""The cost function of solution files."""


def solution_of(result: DriveResult, cost: str = RANKED) -> ProblemSolution | None:
    """The drive as states of the kinematic single-track model; None for a vehicle that CommonRoad lacks."""
    number = next((n for n, vehicle in VEHICLES.items() if vehicle is result.history.vehicle), None)
    if number is None:
        return None
    states = result.history.vehicle.at_centre(result.history.ego)[:, [X, Y, STEERING, SPEED, YAW]]
    return ProblemSolution(
        result.drive.problem.id, "KS", number, cost, states.round(12), result.history.first_step
    )


def costs_of(result: DriveResult) -> dict[str, float | None]:
    """Costs by name; None for those that need lanes where the drive leaves them."""
    return {cost: _cost(result, cost) for cost in COSTS}


def conditions_met(result: DriveResult) -> Mapping[str, bool]:
    """Whether the drive meets each condition of a solution; empty for an unknown vehicle."""
    solution = solution_of(result)
    if solution is None:
        return {}
    return validity(result.history.as_scenario(), result.drive.problem, solution)._asdict()


def write_solutions(results: Sequence[DriveResult], folder: Path) -> Path | None:
    """Write the drives of one CommonRoad scenario as one solution file; None for an unknown vehicle."""
    solutions = [solution for result in results if (solution := solution_of(result)) is not None]
    if not solutions:
        return None
    scenario_id = results[0].history.scenario.id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scenario_id}{SUFFIX}"
    planning_s = float(np.sum([np.sum(result.wall_s) for result in results]))
    write_solution(scenario_id, solutions, path, computation_time_s=max(planning_s, 1e-6))
    return path


def _cost(result: DriveResult, cost: str) -> float | None:
    solution = solution_of(result, cost)
    if solution is None:
        return None
    try:
        total = commonroad_cost(result.history.as_scenario(), result.drive.problem, solution).total
    except ScenarioError:
        return None
    return float(total)
