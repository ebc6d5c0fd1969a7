"""Whether an answer solves a CommonRoad problem: start, collisions, road, goal, and whether it can be driven.

Source: commonroad-drivability-checker 2025.4, its solution checker. The ego's box lies around the position of
its states, as there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.map.area import DrivableArea
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
"""How far x and y [m], yaw [rad] and speed [m/s] of the first state may be off the problem's start."""

_RELATIVE = 1e-5  # of the wanted value, on top
_SPACING_M = 0.25  # of points along the outline of the ego's box


class Validity(NamedTuple):
    """Which conditions an answer fulfils.

    Attributes:
        start: it begins at the problem's start.
        no_collision: it touches nothing.
        on_road: its box stays on the road's lanes.
        goal: it is at a goal at one of its steps.
        feasible: the vehicle can drive it.
    """

    start: bool
    no_collision: bool
    on_road: bool
    goal: bool
    feasible: bool

    @property
    def is_valid(self) -> bool:
        """Whether all are fulfilled."""
        return all(self)


def validity(scenario: Scenario, problem: PlanningProblem, answer: ProblemSolution) -> Validity:
    """Check an answer of the kinematic single track.

    Raises:
        ShapeError: if it is of another model or trajectories the truck, or has fewer than two states.
    """
    if answer.model != "KS" or len(answer.states) < 2:
        raise ShapeError(
            f"the answer to problem {answer.problem} is of model {answer.model} and has {len(answer.states)} "
            "states, wanted KS and two or more"
        )
    vehicle = vehicle_of(answer)
    x, y, steering, speed, yaw = answer.states.T
    states = np.stack([x, y, yaw, speed, np.zeros_like(x), steering], axis=1)
    steps = answer.first_step + np.arange(len(states))
    return Validity(
        start=_starts_at(problem, answer),
        no_collision=_hits_nothing(scenario, states, vehicle.size, answer.first_step),
        on_road=_stays_on(scenario, states, vehicle.size),
        goal=any(scenario.goal_reached(goal, states[:, :4], steps).any() for goal in problem.goals),
        feasible=bool(is_feasible(vehicle, vehicle.at_rear_axle(states), scenario.dt)),
    )


def _starts_at(problem: PlanningProblem, answer: ProblemSolution) -> bool:
    first = dict(zip(STATES[answer.model], answer.states[0], strict=True))
    start = problem.start
    pairs = (
        (first["x"], start.x, START_M),
        (first["y"], start.y, START_M),
        (first["orientation"], start.yaw, START_RAD),
        (first["velocity"], start.v, START_SPEED),
    )
    near = all(abs(got - wanted) <= most + _RELATIVE * abs(wanted) for got, wanted, most in pairs)
    return bool(near and answer.first_step == start.step)


def _hits_nothing(scenario: Scenario, states: Floats, size: Floats, first_step: int) -> bool:
    others = ObstacleBoxes.from_scenario(scenario, first_step, len(states))
    hit = collision.first_collision(states[None, :, :3], size, others.states[..., :3], others.sizes)
    return bool(hit[0] == len(states))


def _stays_on(scenario: Scenario, states: Floats, size: Floats) -> bool:
    """Whether no point of the box's outline is off the lanes, footways among them."""
    lanes = [lane.polygon for lane in scenario.road.lanes.values()]
    if not lanes:
        return False
    at = box_corners(oriented_boxes(states, size))  # (T, 4, 2)
    share = np.linspace(0.0, 1.0, int(np.ceil(size.max() / _SPACING_M)), endpoint=False)[:, None]
    outline = at[:, :, None] * (1 - share) + np.roll(at, -1, axis=1)[:, :, None] * share  # (T, 4, k, 2)
    return not DrivableArea(lanes).outside(outline).any()
