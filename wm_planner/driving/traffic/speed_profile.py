"""How fast to go along a line: what curves allow, what can be reached, and where one then is when."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def curve_speed(curvature: ArrayLike, lateral_acceleration: float) -> Floats:
    """The speed in m/s at which curvatures (...) in 1/m give a lateral acceleration in m/s^2; inf at 0."""
    bend = np.abs(np.asarray(curvature, np.float64))
    with np.errstate(divide="ignore"):
        return np.sqrt(lateral_acceleration / bend)


def max_speed_profile(
    s: Floats, limit: ArrayLike, start: float, acceleration: float, braking: float
) -> Floats:
    """The highest speeds (P,) in m/s along a line that keep limits and can be driven.

    Args:
        s: arc lengths, rising, (P,), in m.
        limit: speeds (P,) in m/s, may be infinite.
        start: speed at s[0]; where it is above what braking allows, the profile starts with less.
        acceleration: largest, in m/s^2.
        braking: hardest, above 0, in m/s^2.
    """
    square = np.square(np.broadcast_to(np.asarray(limit, np.float64), s.shape)).copy()
    square[0] = min(square[0], start * start)
    forward = np.minimum.accumulate(square - 2 * acceleration * s) + 2 * acceleration * s
    backward = np.minimum.accumulate((forward + 2 * braking * s)[::-1])[::-1] - 2 * braking * s
    return np.sqrt(np.maximum(backward, 0.0))


def arc_lengths(s: Floats, speed: Floats, times: ArrayLike) -> Floats:
    """Where one is at `times` (...) in s after s[0], in m, along a profile (P,) of constant accelerations.

    Beyond the end of the profile, and after a stop, that is where it ended or stopped.
    """
    mean, way = 0.5 * (speed[1:] + speed[:-1]), np.diff(s)
    moving = mean > 1e-9
    took = np.where(moving, way / np.where(moving, mean, 1.0), np.inf)
    clock = np.concatenate([[0.0], np.cumsum(took)])
    wanted = np.minimum(np.asarray(times, np.float64), clock[np.isfinite(clock)][-1])
    piece = np.clip(np.searchsorted(clock, wanted, side="right") - 1, 0, len(way) - 1)
    piece = np.where(moving[piece], piece, np.maximum(piece - 1, 0))
    since = wanted - clock[piece]
    gain = np.where(moving, (speed[1:] - speed[:-1]) / np.where(moving, took, 1.0), 0.0)
    return np.asarray(s[piece] + since * (speed[piece] + 0.5 * gain[piece] * since))
