"""A batch of trajectories of one vehicle."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.checks import finite
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.comfort import (
    NUPLAN,
    Comfort,
    SmoothingWindows,
    comfort,
)
from wm_planner.driving.vehicle.vehicle import ACCELERATION, Vehicle
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

_MIN_STEPS = 4  # jerk needs as many


@dataclass(frozen=True, eq=False)
class EgoTrajectories:
    """N trajectories of T steps.

    Attributes:
        states: x, y [m] of the box centre, yaw [rad], v [m/s] and, optionally, longitudinal acceleration
            [m/s^2], (N, T, 4 or more), T >= 4. `Vehicle.at_centre` gives them from rear-axle states.
        vehicle: the ego vehicle.
        dt: time step, in s.

    Raises:
        ShapeError: if the states have another shape or are not finite.
    """

    states: Floats
    vehicle: Vehicle
    dt: float

    def __post_init__(self) -> None:
        states = finite(self.states, "states of trajectories", None, None, None)
        if states.ndim != 3 or states.shape[1] < _MIN_STEPS or states.shape[2] <= SPEED:
            raise ShapeError(
                f"trajectories have shape {states.shape}, wanted (N, T, 4 or more) with T >= {_MIN_STEPS}"
            )
        object.__setattr__(self, "states", states)

    @property
    def count(self) -> int:
        """N."""
        return len(self.states)

    @property
    def steps(self) -> int:
        """T."""
        return int(self.states.shape[1])

    @property
    def speed(self) -> Floats:
        """Longitudinal speed, (N, T), in m/s."""
        return self.states[..., SPEED]

    @property
    def acceleration(self) -> Floats | None:
        """Longitudinal acceleration, (N, T), in m/s^2; None if the states do not have it."""
        known = self.states.shape[2] > ACCELERATION
        return self.states[..., ACCELERATION] if known else None

    @cached_property
    def directions(self) -> Floats:
        """Unit heading vectors, (N, T, 2)."""
        yaw = self.states[..., YAW]
        return np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)

    @cached_property
    def step_lengths_m(self) -> Floats:
        """Distance that the box centre moves in each step, (N, T), in m; 0 in the first."""
        lengths = np.zeros(self.states.shape[:2])
        lengths[:, 1:] = np.hypot(*np.moveaxis(np.diff(self.states[..., :2], axis=1), -1, 0))
        return lengths

    def comfort(self, windows: SmoothingWindows = NUPLAN) -> Comfort:
        """Accelerations, jerks and yaw rates for ride comfort, (N, T) each."""
        return comfort(self.speed, self.states[..., YAW], self.dt, self.acceleration, windows)
