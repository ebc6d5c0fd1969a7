"""The kinematic single track: where a car goes that accelerates and steers as told. Arithmetic on arrays.

The reference point is the rear axle. Speeds are integrated by the trapezoid, and a step is an arc: of
fourth order where curvature is constant, of third where it changes. Cars are the last axis, only sums run
along the horizon, and most results take the place of what they are made of: that is what makes it quick.
Computes in the type of its arrays.

Source: Kong et al. 2015, sec. II.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Motion(NamedTuple):
    """After each step: x and y in m, (H, 2, N); heading in rad, not wrapped, and speed in m/s, (H, N)."""

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
    """Drive N cars for H steps, each from its own state or all from one (N = 1 there).

    Args:
        position: of the rear axle, in m, (2, N).
        heading: in rad, (N,).
        speed: along the heading, in m/s, (N,).
        acceleration: in m/s^2, (H, N).
        curvature: of the path, mean over a step, in 1/m, (H, N): the tangent of steering over the wheelbase.
        dt: of one step, in s.
        speed_range: lowest and highest speed, in m/s: braking ends at the lowest.
        curvature_change: change of curvature over a step, in 1/m, (H, N); None for none.
    """
    kind = acceleration.dtype.type
    after = _accumulate(acceleration * kind(dt), speed, speed_range)
    way = after.copy()  # the mean of the speeds before and after, times dt
    way[0] += speed
    way[1:] += after[:-1]
    way *= kind(dt / 2)
    turn = way * curvature
    headings = _accumulate(turn.copy(), heading)
    mean_heading = headings - kind(0.5) * turn
    if curvature_change is not None:
        mean_heading -= way * curvature_change / 12  # who bends later has gone straighter
    way *= 1 - turn * turn * kind(1 / 24)  # the chord of an arc is as much shorter, to the fourth order
    positions = np.empty((len(way), 2, *way.shape[1:]), way.dtype)
    np.multiply(way, np.cos(mean_heading), out=positions[:, 0])
    np.multiply(way, np.sin(mean_heading), out=positions[:, 1])
    return Motion(_accumulate(positions, position), headings, after)


def _accumulate(steps: Floats, start: Floats, within: tuple[float, float] = (-np.inf, np.inf)) -> Floats:
    """The sums along the first axis of (H, ...), in place, from `start`, every one of them kept `within`."""
    lowest, highest = within
    for step in list(steps):  # a row's view is made once
        np.add(step, start, out=step)
        if lowest > -np.inf:
            np.maximum(step, lowest, out=step)
        if highest < np.inf:
            np.minimum(step, highest, out=step)
        start = step
    return steps
