"""The kinematic single track: where a car goes that accelerates and steers as told. Arithmetic on arrays.

The reference point is the rear axle. Speeds are integrated by the trapezoid, and a step is an arc: of
fourth order where curvature is constant, of third where it changes. Cars are the last axis, and only sums
run along the horizon: that is what makes it quick. Computes in the type of its arrays.

Source: Kong et al. 2015, sec. II.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Motion(NamedTuple):
    """After each step: x and y in m, (2, H, N); heading in rad, not wrapped, and speed in m/s, (H, N)."""

    position: Floats
    heading: Floats
    speed: Floats


def motion(
    position: Floats,
    heading: Floats,
    speed: Floats,
    acceleration: Floats,
    curvature: Floats,
    dt: float,
    speeds: tuple[float, float] = (0.0, np.inf),
    bend: Floats | None = None,
) -> Motion:
    """Drive N cars for H steps, each from its own state or all from one (N = 1 there).

    Args:
        position: of the rear axle, in m, (2, N).
        heading: in rad, (N,).
        speed: along the heading, in m/s, (N,).
        acceleration: in m/s^2, (H, N).
        curvature: of the path, mean over a step, in 1/m, (H, N): the tangent of steering over the wheelbase.
        dt: of one step, in s.
        speeds: lowest and highest speed, in m/s: braking ends at the lowest.
        bend: change of curvature over a step, in 1/m, (H, N); None for none.
    """
    kind, (lowest, highest) = acceleration.dtype.type, speeds
    after = acceleration * kind(dt)
    mean = np.empty_like(after)
    for h in range(len(after)):  # a standstill ends the braking, so this is no plain sum
        np.maximum(after[h] + speed, lowest, out=after[h])
        if highest < np.inf:
            np.minimum(after[h], highest, out=after[h])
        np.add(speed, after[h], out=mean[h])
        speed = after[h]
    way = mean * kind(dt / 2)
    turn = way * curvature
    headings = _summed(turn.copy(), heading)
    mean_heading = headings - turn / 2
    if bend is not None:
        mean_heading -= way * bend / 12  # who bends later has gone straighter
    way *= 1 - turn * turn / 24  # the chord of an arc is as much shorter, to the fourth order
    positions = np.stack([way * np.cos(mean_heading), way * np.sin(mean_heading)])  # (2, H, N)
    for axis in range(2):
        _summed(positions[axis], position[axis])
    return Motion(positions, headings, after)


def _summed(steps: Floats, start: Floats) -> Floats:
    """The sums along the first axis of (H, N), in place, from `start` (1,) or (N,)."""
    for h in range(len(steps)):
        np.add(steps[h], start, out=steps[h])
        start = steps[h]
    return steps
