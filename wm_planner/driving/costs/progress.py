"""How far, how fast and where drives get."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.angles import wrapped
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.metrics.navsim import lane_keeping
from wm_planner.driving.planners.proposal_scoring import Outlook

_FASTEST = 50.0  # m/s, where nothing limits


class Progress(DrivingCost):
    """What is not gained on the route of what the wanted speeds allow, as a share: EP without an expert."""

    def of(self, seen: Outlook) -> Array:
        s, now = seen.projection.s, float(seen.drives.speed[0, 0])
        allowed = min(seen.prospect.view.path.wanted(float(s[0, 0]), now), _FASTEST)
        most = max(max(allowed, now) * (seen.drives.steps - 1) * seen.drives.dt, 1.0)
        return 1 - (s[:, -1] - s[:, 0]) / most


class Overspeed(DrivingCost):
    """How much faster than wanted a drive is, the mean, in m/s: nuPlan's speed limit, and bends."""

    def of(self, seen: Outlook) -> Array:
        return seen.overspeed


class LaneKeeping(DrivingCost):
    """1 where the route's line is left by 0.5 m for 2 s: NAVSIM's LK."""

    def of(self, seen: Outlook) -> Array:
        return 1 - lane_keeping(seen.drives, seen.prospect.view.drive.situation)


class OffCentre(DrivingCost):
    """Mean squared distance to the path, in m^2: CommonRoad's LC."""

    def of(self, seen: Outlook) -> Array:
        return np.square(seen.projection.d).mean(axis=1)


class Heading(DrivingCost):
    """Mean squared angle to the path, in rad^2: CommonRoad's O."""

    def of(self, seen: Outlook) -> Array:
        turn = wrapped(seen.drives.states[..., YAW] - seen.projection.yaw)
        return np.square(turn).mean(axis=1)


class Arrival(DrivingCost):
    """By how much the goal will be missed, in m; see `Aim.shortfall`."""

    def of(self, seen: Outlook) -> Array:
        return seen.shortfall_m


class WantedSpeed(DrivingCost):
    """Mean squared difference to the wanted speed, in m^2/s^2: CommonRoad's V along the way."""

    def of(self, seen: Outlook) -> Array:
        s = seen.projection.s
        wanted = seen.prospect.view.path.wanted_by(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.square(seen.drives.speed - np.minimum(wanted, _FASTEST)).mean(axis=1)
