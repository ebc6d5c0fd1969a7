"""Curvilinear coordinates as CommonRoad's tools define them, to reproduce their results.

The tangent is interpolated linearly along each segment of a polyline. In bends this differs from Centreline,
which projects onto the nearest point.

Source: Héry et al. 2017, sec. III; commonroad-clcs 2025.2 for the preprocessing of the line.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REACH_M = 20.0
"""Points farther from the line have no coordinates."""

_STUB_M = 1e-2  # segments appended to the line, three at its start and two at its end
_SLACK = 1e-7  # tolerance, as a fraction of a segment


class Coordinates(NamedTuple):
    """Curvilinear coordinates of points, (M,) each; NaN for points without coordinates.

    Attributes:
        s: along the line, in m.
        d: to the left of the line, in m.
    """

    s: Floats
    d: Floats


class CurvilinearFrame:
    """The curvilinear frame of a line.

    Args:
        points: (P, 2) in m, P >= 3; see `smooth_line`.
    """

    def __init__(self, points: ArrayLike) -> None:
        line = _extended(np.asarray(points, np.float64))
        vectors = np.diff(line, axis=0)
        lengths = np.hypot(*vectors.T)
        chords = np.concatenate([vectors[:1], line[2:] - line[:-2], vectors[-1:]])
        self._starts, self._vectors, self._lengths = line[:-1], vectors, lengths
        self._tangents: Floats = chords / np.hypot(*chords.T)[:, None]  # (P, 2)
        self._s = np.concatenate([[0.0], np.cumsum(lengths)])

    def project(self, points: ArrayLike) -> Coordinates:
        """Coordinates of points (M, 2)."""
        wanted = np.asarray(points, np.float64)
        directions = self._vectors / self._lengths[:, None]
        offset = wanted[:, None] - self._starts  # (M, S, 2)
        x = (offset * directions).sum(axis=2)
        y = offset[..., 1] * directions[:, 0] - offset[..., 0] * directions[:, 1]
        begin, end = (self._slopes(side, directions) for side in (slice(None, -1), slice(1, None)))
        divisor = self._lengths - y * (end - begin)
        fraction = np.where(divisor != 0, (x + y * begin) / np.where(divisor == 0, 1.0, divisor), -1.0)
        base = self._starts + fraction[..., None] * self._vectors
        distance = np.hypot(*np.moveaxis(wanted[:, None] - base, -1, 0))
        valid = (fraction >= -_SLACK) & (fraction <= 1 + _SLACK) & (distance <= REACH_M)
        best = np.where(valid, distance, np.inf).argmin(axis=1)
        rows = np.arange(len(wanted))
        s = fraction[rows, best] * self._lengths[best] + self._s[best]
        d = np.where(y[rows, best] < 0, -distance[rows, best], distance[rows, best])
        known = valid[rows, best]
        return Coordinates(np.where(known, s, np.nan), np.where(known, d, np.nan))

    def yaw(self, s: ArrayLike) -> Floats:
        """Heading of the line at arc lengths (...), in rad; NaN for NaN."""
        wanted = np.asarray(s, np.float64)
        at = np.clip(np.searchsorted(self._s, np.nan_to_num(wanted)) - 1, 0, len(self._lengths) - 1)
        fraction = ((wanted - self._s[at]) / self._lengths[at])[..., None]
        tangent = fraction * self._tangents[at + 1] + (1 - fraction) * self._tangents[at]
        return np.asarray(np.arctan2(tangent[..., 1], tangent[..., 0]))

    def _slopes(self, side: slice, directions: Floats) -> Floats:
        """Slopes (S,) of the tangents at one end of the segments, relative to the segments."""
        tangent = self._tangents[side]
        left = tangent[:, 1] * directions[:, 0] - tangent[:, 0] * directions[:, 1]
        return np.asarray(left / (tangent * directions).sum(axis=1))


def smooth_line(points: Floats, before_m: float, spacing_m: float, extra_points: int = 0) -> Floats:
    """Extend a line (P, 2) at both ends, cut its corners, and resample it at a constant spacing.

    Args:
        points: (P, 2), in m.
        before_m: length of the extension at either end.
        spacing_m: maximum spacing of the points.
        extra_points: points appended at either end after resampling.

    Source: Chaikin 1974, three iterations.
    """
    first, last = points[0] - points[1], points[-1] - points[-2]
    line = np.concatenate(
        [
            [points[0] + before_m * first / np.hypot(*first)],
            points,
            [points[-1] + before_m * last / np.hypot(*last)],
        ]
    )
    for _ in range(3):
        line = _chaikin(line)
    line = _resampled(line, spacing_m)
    for _ in range(extra_points):
        line = np.concatenate([2 * line[:1] - line[1:2], line, 2 * line[-1:] - line[-2:-1]])
    return line


def _extended(points: Floats) -> Floats:
    first, last = points[0] - points[1], points[-1] - points[-2]
    before = points[0] + np.outer((3, 2, 1), _STUB_M * first / np.hypot(*first))
    behind = points[-1] + np.outer((1, 2), _STUB_M * last / np.hypot(*last))
    return np.concatenate([before, points, behind])


def _chaikin(line: Floats) -> Floats:
    """One iteration of Chaikin's corner cutting, which keeps the end points."""
    first_quarters = 0.75 * line[:-1] + 0.25 * line[1:]
    last_quarters = 0.25 * line[:-1] + 0.75 * line[1:]
    inner = np.stack([first_quarters, last_quarters], axis=1).reshape(-1, 2)
    return np.concatenate([line[:1], inner, line[-1:]])


def _resampled(line: Floats, spacing_m: float) -> Floats:
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0.0, s[-1], int(np.ceil(s[-1] / spacing_m + 1)))
    return np.stack([np.interp(at, s, axis) for axis in line.T], axis=1)
