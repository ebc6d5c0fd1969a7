"""Parts of scores that nuPlan, PDM and NAVSIM share. (N,) each, from 0 to 1."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.vehicle.comfort import Comfort, within_limits

Floats = NDArray[np.float64]

WRONG_WAY_M = (2.0, 6.0)
"""Against the traffic: from the first on a half is left of the score, from the second on nothing."""
WRONG_WAY_WINDOW_S = 1.0
"""Within which that is asked."""


def weighted_score(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The product of the parts without a weight, times the weighted_score mean of the others."""
    product = np.prod([part for name, part in parts.items() if name not in weights], axis=0)
    mean = np.sum([weight * parts[name] for name, weight in weights.items()], axis=0) / sum(weights.values())
    return np.asarray(product * mean)


def drivable_area(trajectories: EgoTrajectories, road_context: RoadContext, tolerance_m: float) -> Floats:
    """Whether all corners stay on the drivable area, (N,), 0 or 1."""
    left = road_context.area.box_outside(trajectories.states, trajectories.vehicle.size, tolerance_m)
    return np.asarray(1.0 - left.any(axis=1))


def is_comfortable(felt: Comfort) -> Floats:
    """Whether a drive keeps within all limits, 0 or 1."""
    return np.asarray(np.all(list(within_limits(felt).values()), axis=0), np.float64)


def direction_compliance(against_m: Floats) -> Floats:
    """1 below the first of WRONG_WAY_M, 0.5 below the second, 0 from there on."""
    return np.where(against_m < WRONG_WAY_M[0], 1.0, np.where(against_m < WRONG_WAY_M[1], 0.5, 0.0))


def max_window_sum(amounts: Floats, window_s: float, dt: float) -> Floats:
    """The largest sum of amounts (N, T) over the steps of a window and the one before it, (N,)."""
    total = np.cumsum(amounts, axis=1)
    total[:, round(window_s / dt) + 1 :] -= total[:, : -(round(window_s / dt) + 1)].copy()
    return np.asarray(total.max(axis=1))
