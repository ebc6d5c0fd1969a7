"""Validity of CommonRoad solutions: start, collisions, road, goal and kinematic feasibility.

Source: commonroad-drivability-checker 2025.4, its solution checker. As there, the ego's box is centred at the
position of its states.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.map.road_areas import lane_area
from wm_planner.driving.metrics.commonroad import vehicle_of
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario
from wm_planner.driving.scenarios.writers.solution import STATES, ProblemSolution
from wm_planner.driving.vehicle.feasibility import is_feasible
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

START_M = 0.1
START_RAD = 0.1
START_SPEED = 2.0
"""Tolerances of the first state: x and y [m], yaw [rad] and speed [m/s]."""

_RELATIVE = 1e-5  # added to the tolerances, as a fraction of the expected value
_SPACING_M = 0.25  # between points on the outline of the ego's box


class Validity(NamedTuple):
    """The conditions that a solution meets.

    Attributes:
        start: it begins at the problem's start.
        no_collision: the ego touches no obstacle.
        on_road: the ego's box stays on the road's lanes.
        goal: the ego is in a goal at one of its steps.
        feasible: the vehicle model can follow it.
    """

    start: bool
    no_collision: bool
    on_road: bool
    goal: bool
    feasible: bool

    @property
    def is_valid(self) -> bool:
        """Whether all conditions are met."""
        return all(self)


def validity(scenario: Scenario, problem: PlanningProblem, solution: ProblemSolution) -> Validity:
    """Check a solution of the kinematic single-track model.

    Raises:
        ShapeError: if it is for another model or the truck, or has fewer than two states.
    """
    if solution.model != "KS" or len(solution.states) < 2:
        raise ShapeError(
            f"the solution of problem {solution.problem} has model {solution.model} and "
            f"{len(solution.states)} states, wanted KS and two or more"
        )
    vehicle = vehicle_of(solution)
    x, y, steering, speed, yaw = solution.states.T
    states = np.stack([x, y, yaw, speed, np.zeros_like(x), steering], axis=1)
    steps = solution.first_step + np.arange(len(states))
    return Validity(
        start=_starts_at(problem, solution),
        no_collision=_is_collision_free(scenario, states, vehicle.size, solution.first_step),
        on_road=_is_on_road(scenario, states, vehicle.size),
        goal=any(scenario.goal_reached(goal, states[:, :4], steps).any() for goal in problem.goals),
        feasible=bool(is_feasible(vehicle, vehicle.at_rear_axle(states), scenario.dt)),
    )


def _starts_at(problem: PlanningProblem, solution: ProblemSolution) -> bool:
    first = dict(zip(STATES[solution.model], solution.states[0], strict=True))
    start = problem.start
    pairs = (
        (first["x"], start.x, START_M),
        (first["y"], start.y, START_M),
        (first["orientation"], start.yaw, START_RAD),
        (first["velocity"], start.v, START_SPEED),
    )
    matches = all(
        abs(value - wanted) <= tolerance + _RELATIVE * abs(wanted) for value, wanted, tolerance in pairs
    )
    return bool(matches and solution.first_step == start.step)


def _is_collision_free(scenario: Scenario, states: Floats, size: Floats, first_step: int) -> bool:
    obstacles = ObstacleBoxes.from_scenario(scenario, first_step, len(states))
    hit = collision.first_collision(states[None, :, :3], size, obstacles.states[..., :3], obstacles.sizes)
    return bool(hit[0] == len(states))


def _is_on_road(scenario: Scenario, states: Floats, size: Floats) -> bool:
    """Whether the outline of the ego's box lies on the lanes at all steps; footways count as lanes."""
    if not scenario.road.lanes:
        return False
    corners = box_corners(oriented_boxes(states, size))  # (T, 4, 2)
    fraction = np.linspace(0.0, 1.0, int(np.ceil(size.max() / _SPACING_M)), endpoint=False)[:, None]
    end = np.roll(corners, -1, axis=1)
    outline = corners[:, :, None] * (1 - fraction) + end[:, :, None] * fraction  # (T, 4, k, 2)
    return not lane_area(scenario.road).outside(outline).any()
