"""Progress, speed, lane position and arrival at the goal."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.metrics.navsim import lane_keeping
from wm_planner.driving.planners.proposal_scoring import ScoredProposals

_MAX_SPEED = 50.0  # m/s, where there is no speed limit


class Progress(DrivingCost):
    """1 minus the progress as a fraction of what the target speed permits: NAVSIM's EP without an expert."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        s, now = proposals.projection.s, float(proposals.trajectories.speed[0, 0])
        target_speed = min(proposals.context.view.path.target_speed(float(s[0, 0]), now), _MAX_SPEED)
        duration = (proposals.trajectories.steps - 1) * proposals.trajectories.dt
        possible = max(max(target_speed, now) * duration, 1.0)
        return 1 - (s[:, -1] - s[:, 0]) / possible


class Overspeed(DrivingCost):
    """Mean excess over the target speed, in m/s, which considers speed limits and bends."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return proposals.overspeed


class LaneKeeping(DrivingCost):
    """1 if the ego is more than 0.5 m off the route's centreline for 2 s: NAVSIM's LK."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - lane_keeping(proposals.trajectories, proposals.context.view.drive.road_context)


class OffCentre(DrivingCost):
    """Mean squared lateral offset from the path, in m^2: CommonRoad's LC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return np.square(proposals.projection.d).mean(axis=1)


class Heading(DrivingCost):
    """Mean squared heading error to the path, in rad^2: CommonRoad's O."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        error = wrap_to_pi(proposals.trajectories.states[..., YAW] - proposals.projection.yaw)
        return np.square(error).mean(axis=1)


class Arrival(DrivingCost):
    """By how much the goal will be missed, in m; see `GoalTracker.shortfall`."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return proposals.goal_shortfall_m


class TargetSpeed(DrivingCost):
    """Mean squared difference to the target speed, in m^2/s^2: CommonRoad's V along the path."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        s = proposals.projection.s
        target = proposals.context.view.path.target_speeds(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.square(proposals.trajectories.speed - np.minimum(target, _MAX_SPEED)).mean(axis=1)
