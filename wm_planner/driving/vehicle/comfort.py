"""Ride comfort: acceleration, jerk and yaw rate of trajectories, smoothed like nuPlan's.

Source: nuplan-devkit's state extractors and comfort metrics (Savitzky-Golay filters, windows and limits).
nuPlan takes the acceleration from a simulated state without its centripetal component; here the lateral
acceleration is speed times yaw rate.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

_SMOOTHING_WINDOW = 8  # steps, for accelerations; even like nuPlan's, so it looks half a step ahead
_DERIVATIVE_WINDOW = 15  # steps, for derivatives
_YAW_WINDOW = 5  # steps, for derivatives of yaw; nuPlan defines 15, but never passes it on
_MIN_STEPS = 4  # for a cubic


class SmoothingWindows(NamedTuple):
    """Window lengths for accelerations and jerks, in steps; None for the whole trajectory."""

    acceleration: int | None
    jerk: int | None


NUPLAN = SmoothingWindows(_SMOOTHING_WINDOW, _DERIVATIVE_WINDOW)
"""Windows of nuPlan and NAVSIM 2."""

WHOLE_DRIVE = SmoothingWindows(None, None)
"""Windows of tuplan_garage and NAVSIM 1, whose trajectories are 4 s long."""


class Comfort(NamedTuple):
    """Comfort quantities at each step, (..., T) each.

    Attributes:
        longitudinal: acceleration along yaw, in m/s^2.
        lateral: acceleration across yaw, above 0 to the left, in m/s^2.
        jerk: rate of the acceleration's magnitude, in m/s^3.
        longitudinal_jerk: in m/s^3.
        yaw_rate: in rad/s.
        yaw_acceleration: in rad/s^2.
        magnitude: of the acceleration, in m/s^2; it has no limit.
    """

    longitudinal: Floats
    lateral: Floats
    jerk: Floats
    longitudinal_jerk: Floats
    yaw_rate: Floats
    yaw_acceleration: Floats
    magnitude: Floats


LIMITS: dict[str, tuple[float, float]] = {
    "longitudinal": (-4.05, 2.40),
    "lateral": (-4.89, 4.89),
    "jerk": (-8.37, 8.37),
    "longitudinal_jerk": (-4.13, 4.13),
    "yaw_rate": (-0.95, 0.95),
    "yaw_acceleration": (-1.93, 1.93),
}
"""nuPlan's lower and upper limit of each quantity."""


def comfort(
    speed: ArrayLike,
    yaw: ArrayLike,
    dt: float,
    acceleration: ArrayLike | None = None,
    windows: SmoothingWindows = NUPLAN,
) -> Comfort:
    """Comfort quantities of trajectories.

    Args:
        speed: along yaw, (..., T), in m/s.
        yaw: (..., T), in rad, wrapped or not.
        dt: step duration, in s.
        acceleration: along yaw, (..., T), in m/s^2; None to derive it from the speed.
        windows: smoothing windows.

    Raises:
        ShapeError: if the shapes differ, or T is below 4.
    """
    v, unwrapped = checked(speed, "speed", None), np.unwrap(checked(yaw, "yaw", None), axis=-1)
    if v.shape != unwrapped.shape or v.shape[-1] < _MIN_STEPS:
        raise ShapeError(
            f"speed has shape {v.shape}, yaw {unwrapped.shape}: wanted (..., T) both, T >= {_MIN_STEPS}"
        )
    along = smoothed(v, _DERIVATIVE_WINDOW, 2, 1, dt) if acceleration is None else np.asarray(acceleration)
    yaw_rate = smoothed(unwrapped, _YAW_WINDOW, 2, 1, dt)
    across = v * yaw_rate
    smooth, magnitude = (
        smoothed(raw, _SMOOTHING_WINDOW, 2, 0, dt) for raw in (along, np.hypot(along, across))
    )
    return Comfort(
        longitudinal=smoothed(along, windows.acceleration, 2, 0, dt),
        lateral=smoothed(across, windows.acceleration, 2, 0, dt),
        jerk=smoothed(magnitude, windows.jerk, 2, 1, dt),
        longitudinal_jerk=smoothed(smooth, windows.jerk, 2, 1, dt),
        yaw_rate=yaw_rate,
        yaw_acceleration=smoothed(unwrapped, _YAW_WINDOW, 3, 2, dt),
        magnitude=magnitude,
    )


def within_limits(values: Comfort) -> dict[str, NDArray[np.bool_]]:
    """Whether each quantity stays within nuPlan's limits over the whole trajectory, (...) by name."""
    return {
        name: np.asarray(((low < values) & (values < high)).all(axis=-1))
        for (name, (low, high)), values in zip(LIMITS.items(), values[: len(LIMITS)], strict=True)
    }


def smoothed(values: Floats, window: int | None, order: int, derivative: int, dt: float) -> Floats:
    """Savitzky-Golay filter of values (..., T), or of one of their derivatives.

    Args:
        window: window length in steps, capped at T; None for T.
        order: of the polynomials that are fitted.
        derivative: order of the derivative.
        dt: step duration, in s.
    """
    steps = values.shape[-1]
    return np.asarray(values @ _filter(steps, min(window or steps, steps), order, derivative, dt))


@cache
def _filter(steps: int, window: int, order: int, derivative: int, dt: float) -> Floats:
    """The filter as a matrix (steps, steps), so that one product filters thousands of trajectories."""
    from scipy.signal import savgol_filter  # here because the import takes 0.3 s

    return np.asarray(savgol_filter(np.eye(steps), window, order, derivative, dt, axis=-1))
