"""CommonRoad's terms of acceleration, jerk and steering, integrated over the trajectory."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import ScoredProposals


class SquaredAcceleration(DrivingCost):
    """Integral of squared acceleration, in m^2/s^3: CommonRoad's A."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        acceleration = np.diff(proposals.trajectories.speed, axis=1) / proposals.trajectories.dt
        return np.square(acceleration).sum(axis=1) * proposals.trajectories.dt


class SquaredJerk(DrivingCost):
    """Integral of squared longitudinal jerk, in m^2/s^5: CommonRoad's J."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        jerk = np.diff(proposals.trajectories.speed, n=2, axis=1) / proposals.trajectories.dt**2
        return np.square(jerk).sum(axis=1) * proposals.trajectories.dt


class SquaredYawRate(DrivingCost):
    """Integral of squared yaw rate, in rad^2/s, in place of CommonRoad's SA."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        rate = np.diff(proposals.trajectories.states[..., 2], axis=1) / proposals.trajectories.dt
        return np.square(rate).sum(axis=1) * proposals.trajectories.dt
