"""Parts of scores that nuPlan, PDM and NAVSIM share. (N,) each, from 0 to 1."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.metrics.drives import Drives
from wm_planner.driving.metrics.situation import Situation
from wm_planner.driving.vehicle.comfort import Comfort, within_limits

Floats = NDArray[np.float64]

AGAINST_M = (2.0, 6.0)
"""Against the traffic: from the first on a half is left of the score, from the second on nothing."""
AGAINST_S = 1.0
"""Within which that is asked."""


def weighted(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The product of the parts without a weight, times the weighted mean of the others."""
    product = np.prod([part for name, part in parts.items() if name not in weights], axis=0)
    mean = np.sum([weight * parts[name] for name, weight in weights.items()], axis=0) / sum(weights.values())
    return np.asarray(product * mean)


def drivable_area(drives: Drives, situation: Situation, tolerance_m: float) -> Floats:
    """Whether all corners stay on the drivable area, (N,), 0 or 1."""
    left = situation.area.left_by(drives.states, drives.vehicle.size, tolerance_m)
    return np.asarray(1.0 - left.any(axis=1))


def comfortable(felt: Comfort) -> Floats:
    """Whether a drive keeps within all limits, 0 or 1."""
    return np.asarray(np.all(list(within_limits(felt).values()), axis=0), np.float64)


def steps_down(against_m: Floats) -> Floats:
    """1 below the first of AGAINST_M, 0.5 below the second, 0 from there on."""
    return np.where(against_m < AGAINST_M[0], 1.0, np.where(against_m < AGAINST_M[1], 0.5, 0.0))


def windowed(amounts: Floats, window_s: float, dt: float) -> Floats:
    """The largest sum of amounts (N, T) over the steps of a window and the one before it, (N,)."""
    total = np.cumsum(amounts, axis=1)
    total[:, round(window_s / dt) + 1 :] -= total[:, : -(round(window_s / dt) + 1)].copy()
    return np.asarray(total.max(axis=1))
