"""One planning problem made ready: the way, the road's edge, what is in the way, and what counts as what.

It judges one ego step by step as well as thousands of them at once.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.collision import first_collision
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.shapes import Circle
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.route import route_along
from wm_planner.driving.metrics.nuplan import OFF_ROAD_M
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import (
    Goal,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.traffic.agent_paths import Path
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import SimulationError

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

DEFAULT_SPEED = 15.0
"""Speed in m/s that is wanted where no limit is known; tuplan_garage's."""

_ARRIVAL_M = 3.0  # around where a recorded ego ended


class Outcome(NamedTuple):
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
        route: the line (P, 2) of a way that was chosen by others; None looks for one.
        speed: wanted where no limit is known, in m/s; no less than that of the start.

    Attributes:
        road_context: road, lanes and route.
        static_obstacles: all that is no agent.
        goal_s: arc length of the route at which the goal begins, in m; its end where the goal is no place.

    Raises:
        SimulationError: if the scenario has neither a problem nor a recorded ego.
        ScenarioError: if no route leads to the goal.
    """

    def __init__(
        self,
        scenario: Scenario,
        vehicle: Vehicle,
        problem_index: int = 0,
        route: Floats | None = None,
        speed: float = DEFAULT_SPEED,
    ) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self.problem = planning_problems(scenario)[problem_index]
        self.road_context = _road_context(scenario, self.problem, route)
        self.goal_s = _goal_s(self.line, [o for g in self.problem.goals for o in scenario.goal_outlines(g)])
        self.static_obstacles = ObstacleBoxes.static(scenario)
        self._sizes = np.concatenate([scenario.tracks.sizes, self.static_obstacles.sizes])
        self._speed = max(speed, self.problem.start.v)

    @property
    def line(self) -> Centreline:
        """The way to drive along."""
        return self.road_context.route.centreline

    @cached_property
    def path(self) -> Path:
        """The line with wanted speeds and stop lines."""
        return Path.from_points(self.line.points, self.road_context.lanes, self._speed)

    @property
    def first_step(self) -> int:
        """The step at which it begins."""
        return self.problem.start.step

    @cached_property
    def start(self) -> Floats:
        """The vehicle's first state, (6,), at its rear axle."""
        start = self.problem.start
        steering = self.vehicle.steering_for_yaw_rate(start.yaw_rate, start.v)
        state = np.array([*start.state, start.acceleration, steering])
        return self.vehicle.at_rear_axle(state)

    def rollout(self, commands: Floats) -> tuple[Floats, Outcome]:
        """Drive commands (N, H, 2) from the start against agents as recorded.

        Returns:
            States (N, H, 6) after each command, and the verdict on them.
        """
        states = self.vehicle.rollout(self.start, commands, self.scenario.dt)
        first = self.first_step + 1
        agents = np.stack([self.scenario.tracks.at(first + t)[0] for t in range(states.shape[1])])
        return states, self.evaluate(states, agents, first)

    def evaluate(self, ego: Floats, agents: Floats, first_step: int) -> Outcome:
        """What happens to N egos.

        Args:
            ego: states (N, T, 6).
            agents: (T, A, 4) of the scenario's tracks; NaN for the absent.
            first: step of the first of the T moments.
        """
        centres, steps = self.vehicle.at_centre(ego)[..., :4], first_step + np.arange(ego.shape[1])
        static_obstacles = self.static_obstacles.window(first_step, len(steps))
        others = np.concatenate([agents, static_obstacles.states], axis=1)
        collided = first_collision(centres, self.vehicle.size, others, self._sizes)
        off_road = self.road_context.area.box_outside(centres, self.vehicle.size, OFF_ROAD_M)
        there = np.zeros(ego.shape[:2], np.bool_)
        for goal in self.problem.goals:
            there |= self.scenario.goal_reached(goal, centres, np.broadcast_to(steps, there.shape))
        return Outcome(collided, _first(off_road), _first(there))


def planning_problems(scenario: Scenario) -> Sequence[PlanningProblem]:
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
    x, y, yaw, v = first.tolist()
    start = Start(x, y, yaw, v, step=int(seen[0]))
    goal = Goal((int(seen[0]), int(seen[-1])), (Circle(last[:2], _ARRIVAL_M),))
    return (PlanningProblem(scenario.ego.ids[0], start, (goal,)),)


def _road_context(scenario: Scenario, problem: PlanningProblem, route: Floats | None) -> RoadContext:
    if route is None:
        return RoadContext.from_scenario(scenario, problem if scenario.problems else None)
    lanes = Lanes(scenario.road)
    return RoadContext(scenario.road, lanes, route_along(lanes, route))


def _first(happens: NDArray[np.bool_]) -> Steps:
    """The first step at which something happens, (N,), of (N, T); T where it never does."""
    return np.asarray(np.where(happens.any(axis=1), happens.argmax(axis=1), happens.shape[1]))


def _goal_s(line: Centreline, outlines: Sequence[Floats]) -> float:
    """The arc length at which a line comes into any of the outlines; its end where it never does."""
    s = np.append(np.arange(0.0, line.length, 1.0), line.length)
    inside = Polygons(outlines).contains(line.poses(s)[:, :2]) if outlines else np.zeros(len(s), np.bool_)
    return float(s[inside.argmax()]) if inside.any() else line.length
