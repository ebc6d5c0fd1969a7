"""The contract of those who plan a drive: they see one tick, and give poses to follow."""

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
"""Few bends take longer; a roundabout does."""

DRIVERS = Registry("driver")


@dataclass(frozen=True, eq=False)
class View:
    """What is known at one tick.

    Attributes:
        drive: what stays the same: the vehicle, where it is to go, the road, what stands.
        ego: the vehicle's state (6,), at the rear axle.
        agents: where they are now, at one step.
        step: of the scenario.
        deadline: when to return the best plan so far; None where nothing is pressing.
    """

    drive: Drive
    ego: Floats
    agents: ObstacleBoxes
    step: int
    deadline: Deadline | None = None

    @property
    def vehicle(self) -> Vehicle:
        """The ego's."""
        return self.drive.vehicle

    @property
    def dt(self) -> float:
        """Of a step, in s."""
        return self.drive.scenario.dt

    @property
    def path(self) -> Path:
        """The way to drive, with wanted speeds and stop lines."""
        return self.drive.path

    @property
    def lights(self) -> Mapping[int, TrafficLight]:
        """By id."""
        return self.drive.scenario.road.lights

    @cached_property
    def obstacles(self) -> ObstacleBoxes:
        """Everybody and everything that is there."""
        return self.agents.concat(self.drive.static_obstacles.window(self.step, 1)).present()

    @cached_property
    def static_corridor(self) -> FrenetBoxes:
        """All that stands and is no agent, as the path sees it."""
        found = self.drive.static_obstacles.window(self.step, 1)
        return FrenetBoxes.from_boxes(
            self.path.line, oriented_boxes(found.states[0], found.sizes), found.states[0, :, SPEED]
        )

    def forecast(
        self, steps: int, yaw_rates: Floats | None = None, known: Floats | None = None
    ) -> ObstacleBoxes:
        """The same now and `steps` more steps: agents keep their velocity, as in PDM.

        Args:
            yaw_rates: of the agents, (A,), in rad/s, held for MAX_TURN_S; straight on after that.
            known: where some of them will be instead, (steps + 1, A, 4), NaN for the others.
        """
        coasting = self.agents.at_constant_velocity(0, self.dt, steps)
        if yaw_rates is not None and yaw_rates.any():
            coasting = replace(
                coasting, states=constant_turn_forecast(self.agents.states[0], yaw_rates, self.dt, steps)
            )
        if known is not None:
            coasting = replace(coasting, states=np.where(np.isfinite(known), known, coasting.states))
        return coasting.concat(self.drive.static_obstacles.window(self.step, steps + 1)).present()


def constant_turn_forecast(now: Floats, rates: Floats, dt: float, steps: int) -> Floats:
    """States (A, 4) now and after `steps` steps, (steps + 1, A, 4), turning at rates (A,) for MAX_TURN_S."""
    bent = min(round(MAX_TURN_S / dt), steps)
    arcs = np.concatenate([now[None], constant_turn_rate(now, rates, dt, bent)])
    return np.concatenate([arcs, constant_velocity(arcs[-1], dt, steps - bent)])


class Driver(Protocol):
    """Decides where to drive next."""

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, x, y, yaw, (H + 1, 3): now and after each of H steps."""
        ...


@runtime_checkable
class Searching(Protocol):
    """A driver that chooses among candidates and tells how its last plan was found."""

    @property
    def searched(self) -> Plan:
        """Cost and terms of the chosen candidate, iterations, evaluations, whether the deadline cut it."""
        ...


def build_driver(spec: Mapping[str, Any], where: str) -> Driver:
    """A driver from `{type: name, ...}`; `where` names its place in errors.

    Raises:
        ConfigError, PluginError: if it cannot be built, or does not plan.
    """
    made: Driver = DRIVERS.build(spec, where)
    if not callable(getattr(made, "plan", None)):
        raise PluginError(
            f"{where}: {type(made).__name__} has no method plan(view), wanted one that gives poses of the "
            "rear axle, x, y, yaw, (H + 1, 3): now and after each of H steps"
        )
    return made


def checked_plan(poses: object) -> Floats:
    """What a driver planned, as an array.

    Raises:
        ShapeError: if it is no (H + 1, 3) of finite numbers, H >= 1.
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
        raise ShapeError(f"the plan holds {count} numbers that are not finite, {wanted}")
    return plan
