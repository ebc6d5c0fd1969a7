"""Subscores that nuPlan, PDM and NAVSIM have in common, (N,) each, from 0 to 1."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.vehicle.comfort import Comfort, within_limits

Floats = NDArray[np.float64]

WRONG_WAY_M = (2.0, 6.0)
"""Distance driven against traffic from which on the direction subscore is 0.5, and 0."""
WRONG_WAY_WINDOW_S = 1.0
"""Time window in which that distance is measured."""


def weighted_score(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The product of the parts without a weight, times the weighted mean of the parts with one."""
    product = np.prod([part for name, part in parts.items() if name not in weights], axis=0)
    mean = np.sum([weight * parts[name] for name, weight in weights.items()], axis=0) / sum(weights.values())
    return np.asarray(product * mean)


def drivable_area(trajectories: EgoTrajectories, road_context: RoadContext, tolerance_m: float) -> Floats:
    """1 if all corners stay on the drivable area at all steps, else 0, (N,)."""
    outside = road_context.area.box_outside(trajectories.states, trajectories.vehicle.size, tolerance_m)
    return np.asarray(1.0 - outside.any(axis=1))


def is_comfortable(comfort: Comfort) -> Floats:
    """1 if a trajectory stays within all comfort limits, else 0, (N,)."""
    return np.asarray(np.all(list(within_limits(comfort).values()), axis=0), np.float64)


def direction_compliance(wrong_way_m: Floats) -> Floats:
    """1 below the first of WRONG_WAY_M, 0.5 below the second, else 0, (N,)."""
    return np.where(wrong_way_m < WRONG_WAY_M[0], 1.0, np.where(wrong_way_m < WRONG_WAY_M[1], 0.5, 0.0))


def max_window_sum(amounts: Floats, window_s: float, dt: float) -> Floats:
    """The largest sum of amounts (N, T) over the steps of a window and the step before it, (N,)."""
    total = np.cumsum(amounts, axis=1)
    total[:, round(window_s / dt) + 1 :] -= total[:, : -(round(window_s / dt) + 1)].copy()
    return np.asarray(total.max(axis=1))
