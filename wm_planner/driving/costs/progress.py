"""How far, how fast and where trajectories get."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.metrics.navsim import lane_keeping
from wm_planner.driving.planners.proposal_scoring import ScoredProposals

_FASTEST = 50.0  # m/s, where nothing limits


class Progress(DrivingCost):
    """What is not gained on the route of what the wanted speeds allow, as a share: EP without an expert."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        s, now = proposals.projection.s, float(proposals.trajectories.speed[0, 0])
        allowed = min(proposals.context.view.path.target_speed(float(s[0, 0]), now), _FASTEST)
        most = max(max(allowed, now) * (proposals.trajectories.steps - 1) * proposals.trajectories.dt, 1.0)
        return 1 - (s[:, -1] - s[:, 0]) / most


class Overspeed(DrivingCost):
    """How much faster than wanted a drive is, the mean, in m/s: nuPlan's speed limit, and bends."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return proposals.overspeed


class LaneKeeping(DrivingCost):
    """1 where the route's line is left by 0.5 m for 2 s: NAVSIM's LK."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - lane_keeping(proposals.trajectories, proposals.context.view.drive.road_context)


class OffCentre(DrivingCost):
    """Mean squared distance to the path, in m^2: CommonRoad's LC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return np.square(proposals.projection.d).mean(axis=1)


class Heading(DrivingCost):
    """Mean squared angle to the path, in rad^2: CommonRoad's O."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        turn = wrap_to_pi(proposals.trajectories.states[..., YAW] - proposals.projection.yaw)
        return np.square(turn).mean(axis=1)


class Arrival(DrivingCost):
    """By how much the goal will be missed, in m; see `GoalTracker.shortfall`."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return proposals.goal_shortfall_m


class WantedSpeed(DrivingCost):
    """Mean squared difference to the wanted speed, in m^2/s^2: CommonRoad's V along the way."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        s = proposals.projection.s
        wanted = proposals.context.view.path.target_speeds(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.square(proposals.trajectories.speed - np.minimum(wanted, _FASTEST)).mean(axis=1)
