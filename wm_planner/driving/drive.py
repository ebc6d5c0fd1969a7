"""A planning problem prepared for driving: route, drivable area, obstacles and goal.

It evaluates a single ego step by step as well as thousands of rollouts at once.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.collision import first_collision
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.route import route_along
from wm_planner.driving.metrics.nuplan import OFF_ROAD_M
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario, recorded_problem
from wm_planner.driving.traffic.agent_paths import Path
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import SimulationError

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

DEFAULT_SPEED = 15.0
"""Target speed in m/s where no limit is known, as in tuplan_garage."""


class Outcome(NamedTuple):
    """First step of N ego trajectories over T steps at which an event occurs, (N,) each; T for never.

    Attributes:
        collided: the ego touches an agent, an obstacle or an occupancy.
        off_road: a corner of the ego is more than OFF_ROAD_M outside of the drivable area.
        arrived: the ego satisfies a goal.
    """

    collided: Steps
    off_road: Steps
    arrived: Steps


class Drive:
    """A planning problem and the vehicle that solves it.

    Args:
        problem_index: of the problem in the scenario.
        route: line (P, 2) of a given route in m; None to search for one.
        speed: target speed where no limit is known, in m/s; at least that of the start is used.

    Attributes:
        road_context: road, lanes and route.
        static_obstacles: static obstacles and occupancies.
        goal_s: arc length of the route at which the goal begins, in m; its end if the goal has no position.

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
        """The centre line of the route."""
        return self.road_context.route.centreline

    @cached_property
    def path(self) -> Path:
        """The centre line with target speeds and stop points."""
        return Path.from_points(self.line.points, self.road_context.lanes, self._speed)

    @property
    def first_step(self) -> int:
        """The step at which the problem starts."""
        return self.problem.start.step

    @property
    def steps(self) -> int:
        """Steps from the start until the time of every goal is over; 0 without a goal."""
        return max((goal.steps[1] - self.first_step for goal in self.problem.goals), default=0)

    @cached_property
    def start(self) -> Floats:
        """The vehicle's initial state at its rear axle, (6,)."""
        start = self.problem.start
        steering = self.vehicle.steering_for_yaw_rate(start.yaw_rate, start.v)
        state = np.array([*start.state, start.acceleration, steering])
        return self.vehicle.at_rear_axle(state)

    def rollout(self, commands: Floats) -> tuple[Floats, Outcome]:
        """Roll out commands (N, H, 2) from the start, with agents that replay their recording.

        Returns:
            States (N, H, 6) after each command, and their outcome.
        """
        states = self.vehicle.rollout(self.start, commands, self.scenario.dt)
        first = self.first_step + 1
        agents = np.stack([self.scenario.tracks.at(first + t)[0] for t in range(states.shape[1])])
        return states, self.evaluate(states, agents, first)

    def evaluate(self, ego: Floats, agents: Floats, first_step: int) -> Outcome:
        """The outcome of N ego trajectories.

        Args:
            ego: states (N, T, 6).
            agents: states (T, A, 4) of the scenario's tracks; NaN where absent.
            first_step: step of the first of the T states.
        """
        centres, steps = self.vehicle.at_centre(ego)[..., :4], first_step + np.arange(ego.shape[1])
        static_obstacles = self.static_obstacles.window(first_step, len(steps))
        obstacles = np.concatenate([agents, static_obstacles.states], axis=1)
        collided = first_collision(centres, self.vehicle.size, obstacles, self._sizes)
        off_road = self.road_context.area.box_outside(centres, self.vehicle.size, OFF_ROAD_M)
        arrived = np.zeros(ego.shape[:2], np.bool_)
        for goal in self.problem.goals:
            arrived |= self.scenario.goal_reached(goal, centres, np.broadcast_to(steps, arrived.shape))
        return Outcome(collided, _first_true(off_road), _first_true(arrived))


def planning_problems(scenario: Scenario) -> Sequence[PlanningProblem]:
    """The scenario's planning problems, or that of its recorded ego if it has none.

    Raises:
        SimulationError: if it has no recorded ego either.
    """
    if scenario.problems:
        return scenario.problems
    if scenario.ego is None:
        raise SimulationError(
            f"scenario '{scenario.id}' has no planning problem and no recorded ego: there is nothing to drive"
        )
    return (recorded_problem(scenario.ego, scenario.ego.ids[0]),)


def _road_context(scenario: Scenario, problem: PlanningProblem, route: Floats | None) -> RoadContext:
    if route is None:
        return RoadContext.from_scenario(scenario, problem if scenario.problems else None)
    lanes = Lanes(scenario.road)
    return RoadContext(scenario.road, lanes, route_along(lanes, route))


def _first_true(happens: NDArray[np.bool_]) -> Steps:
    """The first step at which `happens` (N, T) is true, (N,); T for never."""
    return np.asarray(np.where(happens.any(axis=1), happens.argmax(axis=1), happens.shape[1]))


def _goal_s(line: Centreline, outlines: Sequence[Floats]) -> float:
    """The arc length at which a line enters any of the outlines, or else comes abreast of them; without
    outlines its length.
    """
    if not outlines:
        return line.length
    s = np.append(np.arange(0.0, line.length, 1.0), line.length)
    inside = Polygons(outlines).contains(line.poses(s)[:, :2])
    if inside.any():
        return float(s[inside.argmax()])
    return float(np.clip(line.project(np.concatenate(outlines)).s.min(), 0.0, line.length))
