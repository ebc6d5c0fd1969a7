"""How a drive feels: accelerations, jerks and turns of trajectories, smoothed as nuPlan does.

Source: nuplan-devkit's state extractors and comfort metrics (Savitzky and Golay; windows and limits below).
Theirs takes acceleration from a simulated state, which knows no centripetal part; here the lateral one is
speed times yaw rate.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import savgol_filter

from wm_planner.driving.checks import checked
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

_SMOOTHING = 8  # steps of the window over acceleration; even as nuPlan's, it looks half a step ahead
_DERIVING = 15  # steps of the window under a derivative
_FEWEST = 4  # steps, for a cubic


class Comfort(NamedTuple):
    """What passengers feel at each step, (..., T) each.

    Attributes:
        longitudinal: acceleration along yaw, in m/s^2.
        lateral: acceleration across it, in m/s^2, above 0 to the left.
        jerk: change of the acceleration's magnitude, in m/s^3.
        longitudinal_jerk: in m/s^3.
        yaw_rate: in rad/s.
        yaw_acceleration: in rad/s^2.
    """

    longitudinal: Floats
    lateral: Floats
    jerk: Floats
    longitudinal_jerk: Floats
    yaw_rate: Floats
    yaw_acceleration: Floats


LIMITS: dict[str, tuple[float, float]] = {
    "longitudinal": (-4.05, 2.40),
    "lateral": (-4.89, 4.89),
    "jerk": (-8.37, 8.37),
    "longitudinal_jerk": (-4.13, 4.13),
    "yaw_rate": (-0.95, 0.95),
    "yaw_acceleration": (-1.93, 1.93),
}
"""nuPlan's: between which each quantity is to stay."""


def comfort(speed: ArrayLike, yaw: ArrayLike, dt: float, acceleration: ArrayLike | None = None) -> Comfort:
    """What passengers feel.

    Args:
        speed: along yaw, (..., T), in m/s.
        yaw: (..., T), in rad, wrapped or not.
        dt: of one step, in s.
        acceleration: along yaw, (..., T), in m/s^2; taken from speed if None.

    Raises:
        ShapeError: if the shapes differ, or T is below 4.
    """
    v, turned = checked(speed, "speed", None), np.unwrap(checked(yaw, "yaw", None), axis=-1)
    if v.shape != turned.shape or v.shape[-1] < _FEWEST:
        raise ShapeError(
            f"speed has shape {v.shape}, yaw {turned.shape}: wanted (..., T) both, T >= {_FEWEST}"
        )
    along = _filtered(v, _DERIVING, 2, 1, dt) if acceleration is None else np.asarray(acceleration)
    yaw_rate = _filtered(turned, _DERIVING, 2, 1, dt)
    across = v * yaw_rate
    longitudinal, lateral, magnitude = (
        _filtered(raw, _SMOOTHING, 2, 0, dt) for raw in (along, across, np.hypot(along, across))
    )
    return Comfort(
        longitudinal,
        lateral,
        jerk=_filtered(magnitude, _DERIVING, 2, 1, dt),
        longitudinal_jerk=_filtered(longitudinal, _DERIVING, 2, 1, dt),
        yaw_rate=yaw_rate,
        yaw_acceleration=_filtered(turned, _DERIVING, 3, 2, dt),
    )


def within_limits(felt: Comfort) -> dict[str, NDArray[np.bool_]]:
    """Which quantities stay between nuPlan's limits through all of a trajectory, (...) by name."""
    return {
        name: np.asarray(((low < values) & (values < high)).all(axis=-1))
        for (name, (low, high)), values in zip(LIMITS.items(), felt, strict=True)
    }


def _filtered(values: Floats, window: int, order: int, derivative: int, dt: float) -> Floats:
    """A derivative of smoothed values (..., T)."""
    return np.asarray(values @ _filter(values.shape[-1], window, order, derivative, dt))


@cache
def _filter(steps: int, window: int, order: int, derivative: int, dt: float) -> Floats:
    """The filter as a matrix (steps, steps): one product for thousands of trajectories."""
    window = min(window, steps)
    return np.asarray(savgol_filter(np.eye(steps), window, order, derivative, dt, axis=-1))
