"""A line to drive along: arc length and offset of points beside it, poses along it, its curvature.

The frame is that of Frenet: s along the line from its first point, d to the left of it, both in m.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import finite
from wm_planner.driving.geometry.segments import Blocks, nearest_segments
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """Where points lie beside a line, (...) each.

    Attributes:
        s: arc length of the nearest point of the line, in m, from 0 to the line's length.
        d: distance to it in m, above 0 to the left of the line.
        yaw: of the line there, in rad, from -pi to pi.
    """

    s: Floats
    d: Floats
    yaw: Floats


class Centreline:
    """A polyline with at least one segment.

    Args:
        points: (P, 2) in m, in the direction of travel; points that repeat their predecessor are dropped.

    Attributes:
        points: (P, 2).
        s: arc length at the points, (P,), in m.
        yaw: of the segments, (P - 1,), in rad from -pi to pi.

    Raises:
        ShapeError: if the points are of another shape, not finite, or fewer than two.
    """

    def __init__(self, points: ArrayLike) -> None:
        given = finite(points, "a centre line's points", None, 2)
        if given.ndim != 2:
            raise ShapeError(f"a centre line has shape {given.shape}, wanted (P, 2)")
        fresh = np.ones(len(given), np.bool_)
        fresh[1:] = (np.diff(given, axis=0) != 0).any(axis=1)
        self.points: Floats = given[fresh]
        if len(self.points) < 2:
            raise ShapeError(f"a centre line has {len(self.points)} points that differ, wanted 2 or more")
        steps = np.diff(self.points, axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self.s: Floats = np.concatenate([[0.0], np.cumsum(lengths)])
        self.yaw: Floats = np.arctan2(steps[:, 1], steps[:, 0])
        self._curvature = _curvature(self.yaw, lengths)
        self._blocks = Blocks.from_points(self.points)

    @property
    def length(self) -> float:
        """In m."""
        return float(self.s[-1])

    def project(self, points: ArrayLike) -> Projection:
        """The nearest point of the line for each of the points (..., 2); the first one where several are.

        Beyond the ends that is the end itself: see `extended`. Points near their predecessor are quickest.
        """
        wanted = finite(points, "points", 2)
        flat = np.ascontiguousarray(wanted.reshape(-1, 2))
        segment, share, square = nearest_segments(flat, self._blocks)
        segment, share = segment.reshape(wanted.shape[:-1]), share.reshape(wanted.shape[:-1])
        start, way = self.points[segment], self.points[segment + 1] - self.points[segment]
        side = way[..., 0] * (wanted[..., 1] - start[..., 1]) - way[..., 1] * (wanted[..., 0] - start[..., 0])
        s = self.s[segment] + share * (self.s[segment + 1] - self.s[segment])
        d = np.copysign(np.sqrt(square).reshape(s.shape), side)
        return Projection(s, d, self.yaw[segment])

    def poses(self, s: ArrayLike, d: ArrayLike = 0.0) -> Floats:
        """Poses x, y, yaw (..., 3) at arc lengths s, d m to the left; s is held within the line."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        segment = self._segment(s)
        yaw = self.yaw[segment]
        along = np.clip(s, 0.0, self.length) - self.s[segment]
        x = self.points[segment, 0] + along * np.cos(yaw) - d * np.sin(yaw)
        y = self.points[segment, 1] + along * np.sin(yaw) + d * np.cos(yaw)
        return np.stack([x, y, yaw], axis=-1)

    def curvature(self, s: ArrayLike) -> Floats:
        """Turn of the heading a metre, (...), in 1/m, above 0 to the left; linear between the points."""
        return np.asarray(np.interp(np.asarray(s, np.float64), self.s, self._curvature))

    def extended(self, before_m: float = 0.0, after_m: float = 0.0) -> Self:
        """The line with straight pieces before its start and after its end; s = 0 moves with the start."""
        first = self.points[0] - before_m * np.array([np.cos(self.yaw[0]), np.sin(self.yaw[0])])
        last = self.points[-1] + after_m * np.array([np.cos(self.yaw[-1]), np.sin(self.yaw[-1])])
        return type(self)(np.concatenate([first[None], self.points, last[None]]))

    def _segment(self, s: Floats) -> NDArray[np.int64]:
        return np.clip(np.searchsorted(self.s, s, side="right") - 1, 0, len(self.yaw) - 1)


def _curvature(yaw: Floats, lengths: Floats) -> Floats:
    """At the points, (P,): the turn there over half the segments beside it; at the ends the neighbours'."""
    if len(yaw) == 1:
        return np.zeros(2)
    turn = np.diff(yaw)
    turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
    inner = turn / (0.5 * (lengths[1:] + lengths[:-1]))
    return np.concatenate([inner[:1], inner, inner[-1:]])
