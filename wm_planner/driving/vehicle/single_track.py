"""The kinematic single-track model, vectorized over cars.

The reference point is the rear axle. Speeds are integrated with the trapezoidal rule, and each step is an
arc, which is accurate to fourth order for constant curvature and to third order otherwise. For speed, cars
are the last axis, only sums run along the horizon, and most operations are in place. All arrays keep their
dtype.

Source: Kong et al. 2015, sec. II.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Motion(NamedTuple):
    """State after each step: x and y in m (H, 2, N), heading in rad, not wrapped, and speed in m/s (H, N)."""

    position: Floats
    heading: Floats
    speed: Floats


def integrate_motion(
    position: Floats,
    heading: Floats,
    speed: Floats,
    acceleration: Floats,
    curvature: Floats,
    dt: float,
    speed_range: tuple[float, float] = (0.0, np.inf),
    curvature_change: Floats | None = None,
) -> Motion:
    """Simulate N cars for H steps, each from its own state or all from the same one (then its N is 1).

    Args:
        position: of the rear axle, (2, N), in m.
        heading: (N,), in rad.
        speed: along the heading, (N,), in m/s.
        acceleration: (H, N), in m/s^2.
        curvature: mean curvature of the path over each step, (H, N), in 1/m: tan(steering) / wheelbase.
        dt: step duration, in s.
        speed_range: minimum and maximum speed, in m/s; braking ends at the minimum.
        curvature_change: change of curvature over each step, (H, N), in 1/m; None for constant curvature.
    """
    dtype = acceleration.dtype.type
    speeds = _accumulate(acceleration * dtype(dt), speed, speed_range)
    distance = speeds.copy()  # the mean of the speeds before and after, times dt
    distance[0] += speed
    distance[1:] += speeds[:-1]
    distance *= dtype(dt / 2)
    turn = distance * curvature
    headings = _accumulate(turn.copy(), heading)
    mean_heading = headings - dtype(0.5) * turn
    if curvature_change is not None:
        mean_heading -= distance * curvature_change / 12  # increasing curvature turns later within the step
    distance *= 1 - turn * turn * dtype(1 / 24)  # from arc to chord length, to fourth order
    positions = np.empty((len(distance), 2, *distance.shape[1:]), distance.dtype)
    np.multiply(distance, np.cos(mean_heading), out=positions[:, 0])
    np.multiply(distance, np.sin(mean_heading), out=positions[:, 1])
    return Motion(_accumulate(positions, position), headings, speeds)


def _accumulate(steps: Floats, start: Floats, within: tuple[float, float] = (-np.inf, np.inf)) -> Floats:
    """Cumulative sums along the first axis of (H, ...), in place, from `start`, each clipped to `within`."""
    lowest, highest = within
    for step in list(steps):  # creates the view of each row only once
        np.add(step, start, out=step)
        if lowest > -np.inf:
            np.maximum(step, lowest, out=step)
        if highest < np.inf:
            np.minimum(step, highest, out=step)
        start = step
    return steps
