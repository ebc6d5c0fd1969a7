"""Centre lines: projection into the Frenet frame, poses along the line, curvature.

In the Frenet frame, s is the arc length from the line's first point and d the offset to its left, both in m.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.angles import wrap_difference
from wm_planner.driving.geometry.checks import finite
from wm_planner.driving.geometry.segments import Blocks, nearest_segments
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """Frenet coordinates of points, (...) each.

    Attributes:
        s: arc length of the nearest point of the line, from 0 to the line's length, in m.
        d: distance to that point, above 0 to the left of the line, in m.
        yaw: heading of the line at that point, from -pi to pi, in rad.
    """

    s: Floats
    d: Floats
    yaw: Floats


class Centreline:
    """A polyline with at least one segment.

    Args:
        points: (P, 2) in m, in the direction of travel; consecutive duplicates are dropped.

    Attributes:
        points: (P, 2), without duplicates.
        s: arc length at the points, (P,), in m.
        yaw: heading of the segments from -pi to pi, (P - 1,), in rad.

    Raises:
        ShapeError: if the points have a different shape, are not finite, or fewer than two are distinct.
    """

    def __init__(self, points: ArrayLike) -> None:
        given = finite(points, "a centre line's points", None, 2)
        if given.ndim != 2:
            raise ShapeError(f"a centre line has shape {given.shape}, wanted (P, 2)")
        is_distinct = np.ones(len(given), np.bool_)
        is_distinct[1:] = (np.diff(given, axis=0) != 0).any(axis=1)
        self.points: Floats = given[is_distinct]
        if len(self.points) < 2:
            raise ShapeError(f"a centre line has {len(self.points)} distinct points, wanted 2 or more")
        steps = np.diff(self.points, axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self.s: Floats = np.concatenate([[0.0], np.cumsum(lengths)])
        self.yaw: Floats = np.arctan2(steps[:, 1], steps[:, 0])
        self._curvature = _curvature(self.yaw, lengths)
        self._blocks = Blocks.from_points(self.points)

    @property
    def length(self) -> float:
        """Length, in m."""
        return float(self.s[-1])

    def project(self, points: ArrayLike) -> Projection:
        """Project points (..., 2) onto the nearest point of the line, the first one of several.

        Points beyond an end are projected onto the end itself; see `extended`. Consecutive points close to
        each other are fastest.
        """
        wanted = finite(points, "points", 2)
        flat = np.ascontiguousarray(wanted.reshape(-1, 2))
        segment, fraction, squared_distance = nearest_segments(flat, self._blocks)
        segment, fraction = segment.reshape(wanted.shape[:-1]), fraction.reshape(wanted.shape[:-1])
        start, vector = self.points[segment], self.points[segment + 1] - self.points[segment]
        offset = wanted - start
        side = vector[..., 0] * offset[..., 1] - vector[..., 1] * offset[..., 0]
        s = self.s[segment] + fraction * (self.s[segment + 1] - self.s[segment])
        d = np.copysign(np.sqrt(squared_distance).reshape(s.shape), side)
        return Projection(s, d, self.yaw[segment])

    def poses(self, s: ArrayLike, d: ArrayLike = 0.0) -> Floats:
        """Poses x, y, yaw (..., 3) at arc lengths s, clamped to the line, and offsets d to its left, in m."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        segment = self._segment(s)
        yaw = self.yaw[segment]
        along = np.clip(s, 0.0, self.length) - self.s[segment]
        x = self.points[segment, 0] + along * np.cos(yaw) - d * np.sin(yaw)
        y = self.points[segment, 1] + along * np.sin(yaw) + d * np.cos(yaw)
        return np.stack([x, y, yaw], axis=-1)

    def curvature(self, s: ArrayLike) -> Floats:
        """Curvature at arc lengths (...) in 1/m, above 0 to the left, (...); linear between the points."""
        return np.asarray(np.interp(np.asarray(s, np.float64), self.s, self._curvature))

    def extended(self, before_m: float = 0.0, after_m: float = 0.0) -> Self:
        """The line extended straight at its start and end, in m; s = 0 is at the new start."""
        first = self.points[0] - before_m * np.array([np.cos(self.yaw[0]), np.sin(self.yaw[0])])
        last = self.points[-1] + after_m * np.array([np.cos(self.yaw[-1]), np.sin(self.yaw[-1])])
        return type(self)(np.concatenate([first[None], self.points, last[None]]))

    def _segment(self, s: Floats) -> NDArray[np.int64]:
        return np.clip(np.searchsorted(self.s, s, side="right") - 1, 0, len(self.yaw) - 1)


def _curvature(yaw: Floats, lengths: Floats) -> Floats:
    """Curvature at the points, (P,): heading change over the mean length of the adjacent segments."""
    if len(yaw) == 1:
        return np.zeros(2)
    inner = wrap_difference(np.diff(yaw)) / (0.5 * (lengths[1:] + lengths[:-1]))
    return np.concatenate([inner[:1], inner, inner[-1:]])
