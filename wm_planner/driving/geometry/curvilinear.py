"""Coordinates along a smooth line, as CommonRoad's tools measure them: to equal their figures.

A polyline whose tangents turn evenly along each segment. It differs from Centreline, which takes the nearest
point, where the line bends.

Source: Héry et al. 2017, sec. III; commonroad-clcs 2025.2 for how the line is made.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REACH_M = 20.0
"""Points farther off the line have no coordinates."""

_STUB_M = 1e-2  # what the line is extended by, three times before and twice behind
_SLACK = 1e-7  # of a segment


class Coordinates(NamedTuple):
    """Of points (M,): NaN where they have none.

    Attributes:
        s: along the line, in m.
        d: to the left of it, in m.
    """

    s: Floats
    d: Floats


class CurvilinearFrame:
    """The frame of a line.

    Args:
        points: (P, 2) in m, P >= 3; smoothed already.
    """

    def __init__(self, points: ArrayLike) -> None:
        line = _extended(np.asarray(points, np.float64))
        ways = np.diff(line, axis=0)
        lengths = np.hypot(*ways.T)
        across = np.concatenate([ways[:1], line[2:] - line[:-2], ways[-1:]])
        self._starts, self._ways, self._lengths = line[:-1], ways, lengths
        self._tangents: Floats = across / np.hypot(*across.T)[:, None]  # (P, 2)
        self._s = np.concatenate([[0.0], np.cumsum(lengths)])

    def project(self, points: ArrayLike) -> Coordinates:
        """Coordinates of points (M, 2)."""
        wanted = np.asarray(points, np.float64)
        along = self._ways / self._lengths[:, None]
        offset = wanted[:, None] - self._starts  # (M, S, 2)
        x = (offset * along).sum(axis=2)
        y = offset[..., 1] * along[:, 0] - offset[..., 0] * along[:, 1]
        begin, end = (self._slopes(side, along) for side in (slice(None, -1), slice(1, None)))
        divisor = self._lengths - y * (end - begin)
        share = np.where(divisor != 0, (x + y * begin) / np.where(divisor == 0, 1.0, divisor), -1.0)
        base = self._starts + share[..., None] * self._ways
        away = np.hypot(*np.moveaxis(wanted[:, None] - base, -1, 0))
        fits = (share >= -_SLACK) & (share <= 1 + _SLACK) & (away <= REACH_M)
        best = np.where(fits, away, np.inf).argmin(axis=1)
        rows = np.arange(len(wanted))
        s = share[rows, best] * self._lengths[best] + self._s[best]
        d = np.where(y[rows, best] < 0, -away[rows, best], away[rows, best])
        known = fits[rows, best]
        return Coordinates(np.where(known, s, np.nan), np.where(known, d, np.nan))

    def yaw(self, s: ArrayLike) -> Floats:
        """Direction of the line at arc lengths (...), in rad; NaN stays so."""
        wanted = np.asarray(s, np.float64)
        at = np.clip(np.searchsorted(self._s, np.nan_to_num(wanted)) - 1, 0, len(self._lengths) - 1)
        share = ((wanted - self._s[at]) / self._lengths[at])[..., None]
        tangent = share * self._tangents[at + 1] + (1 - share) * self._tangents[at]
        return np.asarray(np.arctan2(tangent[..., 1], tangent[..., 0]))

    def _slopes(self, side: slice, along: Floats) -> Floats:
        """Of the tangents at one end of the segments, (S,), against the segments."""
        tangent = self._tangents[side]
        left = tangent[:, 1] * along[:, 0] - tangent[:, 0] * along[:, 1]
        return np.asarray(left / (tangent * along).sum(axis=1))


def smooth_line(points: Floats, before_m: float, spacing_m: float, extra_points: int = 0) -> Floats:
    """A line (P, 2) extended at both ends, with its corners cut, and points spread evenly.

    Args:
        before_m: how much it is extended by, at either end.
        spacing_m: of the points, at most.
        extra_points: points added at either end in the end.

    Source: Chaikin 1974 for the corners, three times.
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
    quarter = 0.75 * line[:-1] + 0.25 * line[1:]
    back = 0.25 * line[:-1] + 0.75 * line[1:]
    between = np.stack([quarter, back], axis=1).reshape(-1, 2)
    return np.concatenate([line[:1], between, line[-1:]])


def _resampled(line: Floats, spacing_m: float) -> Floats:
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0.0, s[-1], int(np.ceil(s[-1] / spacing_m + 1)))
    return np.stack([np.interp(at, s, axis) for axis in line.T], axis=1)
