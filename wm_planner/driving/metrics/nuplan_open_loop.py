"""nuPlan's open-loop score: displacement and heading errors of plans against the recorded ego.

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
"""Displacement at any step within each horizon beyond which a plan is a miss."""
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
    """nuPlan's open-loop score and its subscores, from 0 to 1.

    Attributes:
        score: the multiplier, times the weighted mean of the other four.
        miss_rate: multiplier: 1 if the miss rate is at most MAX_MISS_RATE at every horizon, else 0.
        average_displacement: 1 minus the average displacement error (ADE) as a fraction of 8 m; weight 1.
        final_displacement: the same of the final displacement error (FDE); weight 1.
        average_heading: 1 minus the average heading error as a fraction of 0.8 rad; weight 2.
        final_heading: the same of the final heading error; weight 2.
    """

    score: float
    miss_rate: float
    average_displacement: float
    final_displacement: float
    average_heading: float
    final_heading: float


def open_loop(plans: ArrayLike, recorded: ArrayLike) -> OpenLoop:
    """Score F plans, each made at one frame of a recorded drive.

    Args:
        plans: x, y, yaw of the box centre 1, 2, ..., 8 s after the frame, (F, 8, 3).
        recorded: the recorded poses of the ego at the same times, (F, 8, 3).

    Raises:
        ShapeError: if the arrays have other shapes.
    """
    last = HORIZONS_S[-1]
    planned, driven = checked(plans, "plans", last, 3), checked(recorded, "the recorded drive", last, 3)
    if planned.ndim != 3 or planned.shape != driven.shape or not len(planned):
        raise ShapeError(
            f"plans have shape {planned.shape}, the recorded drive {driven.shape}: wanted (F, {last}, 3) for "
            "both, F >= 1"
        )
    distance = np.hypot(*np.moveaxis(planned - driven, -1, 0)[:2])  # (F, 8)
    heading_error = np.abs(wrap_to_pi((planned - driven)[..., 2]))
    misses = [
        (distance[:, :h].max(axis=1) > limit).mean() for h, limit in zip(HORIZONS_S, MISS_M, strict=True)
    ]
    parts = {
        "miss_rate": np.float64(max(misses) <= MAX_MISS_RATE),
        "average_displacement": _error_score(distance, MAX_DISPLACEMENT_M, average=True),
        "final_displacement": _error_score(distance, MAX_DISPLACEMENT_M, average=False),
        "average_heading": _error_score(heading_error, MAX_HEADING_ERROR_RAD, average=True),
        "final_heading": _error_score(heading_error, MAX_HEADING_ERROR_RAD, average=False),
    }
    score = weighted_score({name: np.asarray(part) for name, part in parts.items()}, WEIGHTS)
    return OpenLoop(float(score), *(float(part) for part in parts.values()))


def _error_score(errors: Floats, limit: float, average: bool) -> float:
    """1 minus the mean error as a fraction of its limit, at least 0, from errors (F, 8)."""
    means = [errors[:, :h].mean() if average else errors[:, h - 1].mean() for h in HORIZONS_S]
    return max(0.0, 1.0 - float(np.mean(means)) / limit)
