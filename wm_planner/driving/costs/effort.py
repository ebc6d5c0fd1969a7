"""CommonRoad's terms of accelerations and steering, integrated over the drive."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import Outlook


class SquaredAcceleration(DrivingCost):
    """Integral of squared acceleration, in m^2/s^3: CommonRoad's A."""

    def of(self, seen: Outlook) -> Array:
        pull = np.diff(seen.drives.speed, axis=1) / seen.drives.dt
        return np.square(pull).sum(axis=1) * seen.drives.dt


class SquaredJerk(DrivingCost):
    """Integral of squared jerk along the way, in m^2/s^5: CommonRoad's J."""

    def of(self, seen: Outlook) -> Array:
        jerk = np.diff(seen.drives.speed, n=2, axis=1) / seen.drives.dt**2
        return np.square(jerk).sum(axis=1) * seen.drives.dt


class SquaredYawRate(DrivingCost):
    """Integral of squared yaw rate, in rad^2/s: stands for CommonRoad's SA."""

    def of(self, seen: Outlook) -> Array:
        rate = np.diff(seen.drives.states[..., 2], axis=1) / seen.drives.dt
        return np.square(rate).sum(axis=1) * seen.drives.dt
