"""One planning problem made ready: the way, the road's edge, what is in the way, and what counts as what.

It judges one ego step by step as well as thousands of them at once.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.area import DrivableArea
from wm_planner.driving.boxes import boxes
from wm_planner.driving.collision import first_hits
from wm_planner.driving.lanes import Lanes
from wm_planner.driving.obstacles import Obstructions
from wm_planner.driving.route import Route, find_route
from wm_planner.driving.scenario import Goal, PlanningProblem, Scenario, Start
from wm_planner.driving.shapes import Circle
from wm_planner.driving.vehicle import Vehicle
from wm_planner.errors import SimulationError

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

OFF_ROAD_M = 0.3
"""How far a corner may be outside of the drivable area, as in nuPlan."""

_ARRIVAL_M = 3.0  # around where a recorded ego ended
_ROLLING = 0.5  # m/s, from which a rate of yaw tells the steering


class Verdict(NamedTuple):
    """When things first happen to N egos in T moments, (N,) each; T for never.

    Attributes:
        collided: it touches an agent, an obstacle or an occupancy.
        off_road: a corner is more than OFF_ROAD_M outside of the drivable area.
        arrived: it is as one of the goals wants it.
    """

    collided: Steps
    off_road: Steps
    arrived: Steps


class Drive:
    """A planning problem and a vehicle.

    Args:
        number: of the problem in the scenario.

    Attributes:
        lanes: of the scenario's road.
        route: from start to goal.

    Raises:
        SimulationError: if the scenario has neither a problem nor a recorded ego.
    """

    def __init__(self, scenario: Scenario, vehicle: Vehicle, number: int = 0) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self.problem = problems_of(scenario)[number]
        self.lanes = Lanes(scenario.road)
        self.route: Route = find_route(scenario, self.problem, self.lanes)
        self.obstructions = Obstructions(scenario)

    @property
    def first(self) -> int:
        """The step at which it begins."""
        return self.problem.start.step

    @cached_property
    def area(self) -> DrivableArea | None:
        """Where one may drive; None where the source does not say."""
        outlines = self.scenario.road.drivable
        return DrivableArea(outlines) if outlines else None

    @cached_property
    def start(self) -> Floats:
        """The vehicle's first state, (6,), at its rear axle."""
        start = self.problem.start
        steering = 0.0
        if start.v > _ROLLING:
            steering = float(np.arctan(start.yaw_rate * self.vehicle.wheelbase_m / start.v))
        limit = self.vehicle.steering
        state = np.array([*start.state, start.acceleration, np.clip(steering, -limit, limit)])
        return self.vehicle.at_rear_axle(state)

    def rollout(self, commands: Floats) -> tuple[Floats, Verdict]:
        """Drive commands (N, H, 2) from the start against agents as recorded.

        Returns:
            States (N, H, 6) after each command, and the verdict on them.
        """
        states = self.vehicle.rollout(self.start, commands, self.scenario.dt)
        first = self.first + 1
        agents = np.stack([self.scenario.tracks.at(first + t)[0] for t in range(states.shape[1])])
        return states, self.judge(states, agents, first)

    def judge(self, ego: Floats, agents: Floats, first: int) -> Verdict:
        """What happens to N egos.

        Args:
            ego: states (N, T, 6).
            agents: (T, A, 4), or (N, T, A, 4) where they differ; NaN for the absent.
            first: step of the first of the T moments.
        """
        centres, count = self.vehicle.centred(ego)[..., :4], ego.shape[1]
        hits = first_hits(centres, self.vehicle.size, agents, self.scenario.tracks.sizes)
        standing = self.obstructions.hit(boxes(centres, self.vehicle.size), first)
        collided = np.minimum(hits.min(axis=1, initial=count), _first(standing))
        off = np.zeros(ego.shape[:2], np.bool_)
        if self.area is not None:
            off = self.area.left_by(centres, self.vehicle.size, OFF_ROAD_M)
        steps = np.broadcast_to(first + np.arange(count), ego.shape[:2])
        there = np.zeros_like(off)
        for goal in self.problem.goals:
            there |= self.scenario.arrived(goal, centres, steps)
        return Verdict(collided, _first(off), _first(there))


def problems_of(scenario: Scenario) -> Sequence[PlanningProblem]:
    """The scenario's problems; where it has none, to get to where its recorded ego went.

    Raises:
        SimulationError: if it has no ego either.
    """
    if scenario.problems:
        return scenario.problems
    if scenario.ego is None:
        raise SimulationError(
            f"scenario '{scenario.id}' has no planning problem and no recorded ego: there is nothing to drive"
        )
    seen = np.flatnonzero(scenario.ego.valid[0])
    first, last = (scenario.ego.states[0, step] for step in (seen[0], seen[-1]))
    start = Start(*first.tolist(), step=int(seen[0]))
    goal = Goal((int(seen[0]), int(seen[-1])), (Circle(last[:2], _ARRIVAL_M),))
    return (PlanningProblem(scenario.ego.ids[0], start, (goal,)),)


def _first(happens: NDArray[np.bool_]) -> Steps:
    """The first step at which something happens, (N,), of (N, T); T where it never does."""
    return np.where(happens.any(axis=1), happens.argmax(axis=1), happens.shape[1])
