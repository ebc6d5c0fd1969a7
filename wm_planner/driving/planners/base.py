"""The driver interface: a view of one tick in, poses of the rear axle out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.boxes import oriented_boxes
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.map.frenet_boxes import FrenetBoxes
from wm_planner.driving.scenarios.forecasts import constant_turn_rate, constant_velocity
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.road import TrafficLight
from wm_planner.driving.traffic.agent_paths import Path
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import PluginError, ShapeError
from wm_planner.planners.base import Plan
from wm_planner.plugins import Registry

Floats = NDArray[np.float64]

MAX_TURN_S = 2.5
"""How long a turn is predicted to last; most bends are shorter, roundabouts are longer."""

DRIVERS = Registry("driver")


@dataclass(frozen=True, eq=False)
class View:
    """What a driver knows at one tick.

    Attributes:
        drive: what stays constant: vehicle, goals, road and static obstacles.
        ego: state of the vehicle at its rear axle, (6,).
        agents: the agents at this step, T = 1.
        step: step of the scenario.
        deadline: when to return the best plan so far; None without a deadline.
    """

    drive: Drive
    ego: Floats
    agents: ObstacleBoxes
    step: int
    deadline: Deadline | None = None

    @property
    def vehicle(self) -> Vehicle:
        """The ego vehicle."""
        return self.drive.vehicle

    @property
    def dt(self) -> float:
        """Time step, in s."""
        return self.drive.scenario.dt

    @property
    def path(self) -> Path:
        """The path to drive along, with target speeds and stop lines."""
        return self.drive.path

    @property
    def lights(self) -> Mapping[int, TrafficLight]:
        """Traffic lights by id."""
        return self.drive.scenario.road.lights

    @cached_property
    def obstacles(self) -> ObstacleBoxes:
        """All agents and static obstacles that are present."""
        return self.agents.concat(self.drive.static_obstacles.window(self.step, 1)).present()

    @cached_property
    def static_corridor(self) -> FrenetBoxes:
        """Static obstacles in the frame of the path."""
        static = self.drive.static_obstacles.window(self.step, 1)
        boxes = oriented_boxes(static.states[0], static.sizes)
        return FrenetBoxes.from_boxes(self.path.line, boxes, static.states[0, :, SPEED])

    def forecast(
        self, steps: int, yaw_rates: Floats | None = None, known: Floats | None = None
    ) -> ObstacleBoxes:
        """All obstacles now and for `steps` steps more; agents move at constant velocity, as in PDM.

        Args:
            yaw_rates: of the agents, (A,), in rad/s, held for MAX_TURN_S; straight on after that.
            known: predicted states of some agents, (steps + 1, A, 4), NaN for the others.
        """
        agents = self.agents.at_constant_velocity(0, self.dt, steps)
        if yaw_rates is not None and yaw_rates.any():
            turning = constant_turn_forecast(self.agents.states[0], yaw_rates, self.dt, steps)
            agents = replace(agents, states=turning)
        if known is not None:
            agents = replace(agents, states=np.where(np.isfinite(known), known, agents.states))
        return agents.concat(self.drive.static_obstacles.window(self.step, steps + 1)).present()


def constant_turn_forecast(now: Floats, rates: Floats, dt: float, steps: int) -> Floats:
    """States (steps + 1, A, 4) from (A, 4) on, turning at rates (A,) for MAX_TURN_S, then straight."""
    turn_steps = min(round(MAX_TURN_S / dt), steps)
    arcs = np.concatenate([now[None], constant_turn_rate(now, rates, dt, turn_steps)])
    return np.concatenate([arcs, constant_velocity(arcs[-1], dt, steps - turn_steps)])


class Driver(Protocol):
    """Plans at every tick of a drive."""

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, x, y, yaw, (H + 1, 3): now and after each of H steps."""
        ...


@runtime_checkable
class Searching(Protocol):
    """A driver that selects among candidates and reports on the search for its last plan."""

    @property
    def searched(self) -> Plan:
        """Cost and terms of the selected candidate, iterations, evaluations, deadline hit."""
        ...


def build_driver(spec: Mapping[str, Any], where: str) -> Driver:
    """Build a driver from `{type: name, ...}`; `where` is its place, for errors.

    Raises:
        ConfigError, PluginError: if it cannot be built, or has no method `plan`.
    """
    driver: Driver = DRIVERS.build(spec, where)
    if not callable(getattr(driver, "plan", None)):
        raise PluginError(
            f"{where}: {type(driver).__name__} has no method plan(view), wanted one that returns poses "
            "of the rear axle, x, y, yaw, (H + 1, 3): now and after each of H steps"
        )
    return driver


def checked_plan(poses: object) -> Floats:
    """Validate the poses that a driver returned.

    Raises:
        ShapeError: if they are not finite numbers of shape (H + 1, 3), H >= 1.
    """
    wanted = "wanted poses of the rear axle, x, y, yaw, (H + 1, 3) with H >= 1"
    try:
        plan = np.asarray(poses, np.float64)
    except (TypeError, ValueError):
        plan = np.full((), np.nan)
    if plan.ndim != 2 or plan.shape[1] != 3 or len(plan) < 2:
        shape = f"an array of shape {plan.shape}" if plan.ndim else f"'{poses!s:.40}'"
        raise ShapeError(f"the plan is {shape}, {wanted}")
    if not np.isfinite(plan).all():
        count = int((~np.isfinite(plan)).sum())
        raise ShapeError(f"the plan has {count} values that are not finite, {wanted}")
    return plan
