"""Speed profiles along a line: curve speeds, the fastest feasible profile, and positions over time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def curve_speed(curvature: ArrayLike, lateral_acceleration: float) -> Floats:
    """The speed in m/s at which curvatures (...) in 1/m cause a lateral acceleration in m/s^2; inf at 0."""
    magnitude = np.abs(np.asarray(curvature, np.float64))
    with np.errstate(divide="ignore"):
        return np.sqrt(lateral_acceleration / magnitude)


def max_speed_profile(
    s: Floats, limit: ArrayLike, start: float, acceleration: float, braking: float
) -> Floats:
    """The highest speeds (P,) in m/s along a line within speed and acceleration limits.

    Args:
        s: increasing arc lengths, (P,), in m.
        limit: speed limits (P,) in m/s, may be infinite.
        start: speed at s[0]; the profile starts below it if braking could not meet the limits otherwise.
        acceleration: maximum, in m/s^2.
        braking: maximum, above 0, in m/s^2.
    """
    square = np.square(np.broadcast_to(np.asarray(limit, np.float64), s.shape)).copy()
    square[0] = min(square[0], start * start)
    forward = np.minimum.accumulate(square - 2 * acceleration * s) + 2 * acceleration * s
    backward = np.minimum.accumulate((forward + 2 * braking * s)[::-1])[::-1] - 2 * braking * s
    return np.sqrt(np.maximum(backward, 0.0))


def arc_lengths(s: Floats, speed: Floats, times: ArrayLike) -> Floats:
    """Arc lengths in m at `times` (...) in s after s[0], along a profile (P,) of piecewise constant
    acceleration.

    They stay constant after a stop or the end of the profile.
    """
    mean_speed, steps = 0.5 * (speed[1:] + speed[:-1]), np.diff(s)
    moving = mean_speed > 1e-9
    durations = np.where(moving, steps / np.where(moving, mean_speed, 1.0), np.inf)
    arrival = np.concatenate([[0.0], np.cumsum(durations)])
    time = np.minimum(np.asarray(times, np.float64), arrival[np.isfinite(arrival)][-1])
    piece = np.clip(np.searchsorted(arrival, time, side="right") - 1, 0, len(steps) - 1)
    piece = np.where(moving[piece], piece, np.maximum(piece - 1, 0))
    since = time - arrival[piece]
    acceleration = np.where(moving, (speed[1:] - speed[:-1]) / np.where(moving, durations, 1.0), 0.0)
    return np.asarray(s[piece] + since * (speed[piece] + 0.5 * acceleration[piece] * since))
