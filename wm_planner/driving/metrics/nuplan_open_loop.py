"""nuPlan's open-loop score: of plans beside the recorded drive of the ego.

Source: nuplan-devkit e924167, its metrics and the weights of its configuration.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.metrics.subscores import weighted_score
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

HORIZONS_S = (3, 5, 8)
MISS_M = (6.0, 8.0, 16.0)
"""A plan misses that is ever farther than this from the recorded drive within the horizons."""
MAX_MISS_RATE = 0.3
MAX_DISPLACEMENT_M = 8.0
MAX_HEADING_ERROR_RAD = 0.8

WEIGHTS = {
    "average_displacement": 1.0,
    "final_displacement": 1.0,
    "average_heading": 2.0,
    "final_heading": 2.0,
}


class OpenLoop(NamedTuple):
    """nuPlan's open-loop score and its parts, from 0 to 1.

    Attributes:
        score: the multiplier, times the weighted_score mean of the others.
        miss_rate: multiplier: 1 if at no horizon more than MAX_MISS_RATE of the plans miss.
        average_displacement: 1 less the mean distance over 8 m; mean over plans and horizons, weight 1.
        final_displacement: the same of the distance at the horizon.
        average_heading: 1 less the mean difference of headings over 0.8 rad, weight 2.
        final_heading: the same of the difference at the horizon.
    """

    score: float
    miss_rate: float
    average_displacement: float
    final_displacement: float
    average_heading: float
    final_heading: float


def open_loop(plans: ArrayLike, recorded: ArrayLike) -> OpenLoop:
    """Judge plans, each made at a moment of a recorded drive.

    Args:
        plans: x, y, yaw of the box's centre 1 to 8 s after the moment, (F, 8, 3).
        recorded: where the ego really was then, (F, 8, 3).

    Raises:
        ShapeError: if the shapes are others.
    """
    last = HORIZONS_S[-1]
    planned, drove = checked(plans, "plans", last, 3), checked(recorded, "the recorded drive", last, 3)
    if planned.ndim != 3 or planned.shape != drove.shape or not len(planned):
        raise ShapeError(f"plans {planned.shape}, recorded {drove.shape}: wanted (F, {last}, 3) both, F >= 1")
    away = np.hypot(*np.moveaxis(planned - drove, -1, 0)[:2])  # (F, 8)
    turned = np.abs(wrap_to_pi((planned - drove)[..., 2]))
    misses = [(away[:, :h].max(axis=1) > limit).mean() for h, limit in zip(HORIZONS_S, MISS_M, strict=True)]
    parts = {
        "miss_rate": np.float64(max(misses) <= MAX_MISS_RATE),
        "average_displacement": _error_score(away, MAX_DISPLACEMENT_M, average=True),
        "final_displacement": _error_score(away, MAX_DISPLACEMENT_M, average=False),
        "average_heading": _error_score(turned, MAX_HEADING_ERROR_RAD, average=True),
        "final_heading": _error_score(turned, MAX_HEADING_ERROR_RAD, average=False),
    }
    score = weighted_score({name: np.asarray(part) for name, part in parts.items()}, WEIGHTS)
    return OpenLoop(float(score), *(float(part) for part in parts.values()))


def _error_score(errors: Floats, most: float, average: bool) -> float:
    """What errors (F, 8) leave of 1, averaged up to the horizons or taken at them."""
    taken = [errors[:, :h].mean() if average else errors[:, h - 1].mean() for h in HORIZONS_S]
    return max(0.0, 1.0 - float(np.mean(taken)) / most)
