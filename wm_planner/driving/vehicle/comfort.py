"""How a drive feels: accelerations, jerks and turns of trajectories, smoothed as nuPlan does.

Source: nuplan-devkit's state extractors and comfort metrics (Savitzky and Golay; windows and limits below).
Theirs takes acceleration from a simulated state, which knows no centripetal part; here the lateral one is
speed times yaw rate.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

_SMOOTHING_WINDOW = 8  # steps of the window over acceleration; even as nuPlan's, it looks half a step ahead
_DERIVATIVE_WINDOW = 15  # steps of the window under a derivative
_YAW_WINDOW = (
    5  # steps of the window under derivatives of yaw: nuPlan names 15 for it, but never passes them on
)
_MIN_STEPS = 4  # steps, for a cubic


class SmoothingWindows(NamedTuple):
    """Steps over which accelerations are smoothed before they are judged; None for a whole drive."""

    acceleration: int | None
    jerk: int | None


NUPLAN = SmoothingWindows(_SMOOTHING_WINDOW, _DERIVATIVE_WINDOW)
"""Also those of NAVSIM 2."""

WHOLE_DRIVE = SmoothingWindows(None, None)
"""Those of tuplan_garage and NAVSIM 1, whose drives are 4 s long."""


class Comfort(NamedTuple):
    """What passengers feel at each step, (..., T) each.

    Attributes:
        longitudinal: acceleration along yaw, in m/s^2.
        lateral: acceleration across it, in m/s^2, above 0 to the left.
        jerk: change of the acceleration's magnitude, in m/s^3.
        longitudinal_jerk: in m/s^3.
        yaw_rate: in rad/s.
        yaw_acceleration: in rad/s^2.
        magnitude: of the acceleration, in m/s^2; nothing limits it.
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
"""nuPlan's: between which each quantity is to stay."""


def comfort(
    speed: ArrayLike,
    yaw: ArrayLike,
    dt: float,
    acceleration: ArrayLike | None = None,
    windows: SmoothingWindows = NUPLAN,
) -> Comfort:
    """What passengers feel.

    Args:
        speed: along yaw, (..., T), in m/s.
        yaw: (..., T), in rad, wrapped or not.
        dt: of one step, in s.
        acceleration: along yaw, (..., T), in m/s^2; taken from speed if None.
        windows: over which accelerations are smoothed.

    Raises:
        ShapeError: if the shapes differ, or T is below 4.
    """
    v, turned = checked(speed, "speed", None), np.unwrap(checked(yaw, "yaw", None), axis=-1)
    if v.shape != turned.shape or v.shape[-1] < _MIN_STEPS:
        raise ShapeError(
            f"speed has shape {v.shape}, yaw {turned.shape}: wanted (..., T) both, T >= {_MIN_STEPS}"
        )
    along = smoothed(v, _DERIVATIVE_WINDOW, 2, 1, dt) if acceleration is None else np.asarray(acceleration)
    yaw_rate = smoothed(turned, _YAW_WINDOW, 2, 1, dt)
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
        yaw_acceleration=smoothed(turned, _YAW_WINDOW, 3, 2, dt),
        magnitude=magnitude,
    )


def within_limits(values: Comfort) -> dict[str, NDArray[np.bool_]]:
    """Which quantities stay between nuPlan's limits through all of a trajectory, (...) by name."""
    return {
        name: np.asarray(((low < values) & (values < high)).all(axis=-1))
        for (name, (low, high)), values in zip(LIMITS.items(), values[: len(LIMITS)], strict=True)
    }


def smoothed(values: Floats, window: int | None, order: int, derivative: int, dt: float) -> Floats:
    """A derivative of values (..., T), by the polynomial of an order that fits a window of steps best.

    Args:
        window: steps; no more than T, and T if None.
    """
    steps = values.shape[-1]
    return np.asarray(values @ _filter(steps, min(window or steps, steps), order, derivative, dt))


@cache
def _filter(steps: int, window: int, order: int, derivative: int, dt: float) -> Floats:
    """The filter as a matrix (steps, steps): one product for thousands of trajectories."""
    from scipy.signal import savgol_filter  # 0.3 s, spared where nothing is scored

    return np.asarray(savgol_filter(np.eye(steps), window, order, derivative, dt, axis=-1))
