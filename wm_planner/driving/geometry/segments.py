"""Exact search for the nearest segment of a polyline; blocks of segments that are too far are skipped."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.compiled import is_compiled

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_BLOCK = 12  # segments
_SLACK = 1e-6  # m, tolerance for rounding in the distance to a block
_CHUNK = 100_000  # points


class Blocks(NamedTuple):
    """The P - 1 segments of a polyline in B blocks; the last block is padded with its last segment.

    Attributes:
        starts: start points of the segments, (B, _BLOCK, 2), in m.
        vectors: from their start to their end points, (B, _BLOCK, 2), in m.
        inverse_squared_lengths: (B, _BLOCK), in 1/m^2.
        centres: centres of the blocks' bounding circles, (B, 2), in m.
        radii: radii of these circles, (B,), in m.
    """

    starts: Floats
    vectors: Floats
    inverse_squared_lengths: Floats
    centres: Floats
    radii: Floats

    @classmethod
    def from_points(cls, points: Floats) -> "Blocks":
        """The blocks of a polyline (P, 2)."""
        count = len(points) - 1
        blocks = -(-count // _BLOCK)
        index = np.minimum(np.arange(blocks * _BLOCK), count - 1).reshape(blocks, _BLOCK)
        starts, ends = points[index], points[index + 1]
        ways, both = ends - starts, np.concatenate([starts, ends], axis=1)
        centres = 0.5 * (both.min(axis=1) + both.max(axis=1))
        radii = np.sqrt(np.square(both - centres[:, None]).sum(axis=2).max(axis=1)) + _SLACK
        return cls(starts, ways, 1 / np.square(ways).sum(axis=2), centres, radii)


def nearest_segments(points: Floats, blocks: Blocks) -> tuple[Indices, Floats, Floats]:
    """The nearest segment to each of M points (M, 2), the first one among equals.

    Returns:
        Its index, the position of the nearest point as a fraction of the segment, and the squared distance in
        m^2, (M,) each.
    """
    if is_compiled():
        from wm_planner.driving.geometry import kernels

        return kernels.nearest_segments(points, *blocks)
    parts = [
        _nearest(points[first : first + _CHUNK], blocks) for first in range(0, max(len(points), 1), _CHUNK)
    ]
    segment, fraction, squared_distance = (np.concatenate(part) for part in zip(*parts, strict=True))
    return segment, fraction, squared_distance


def _nearest(points: Floats, blocks: Blocks) -> tuple[Indices, Floats, Floats]:
    """NumPy version of `kernels.nearest_segments`; it searches the block with the closest centre first."""
    x, y = np.ascontiguousarray(points.T)
    found = _Nearest(np.zeros(len(x), np.int64), np.zeros(len(x)), np.full(len(x), np.inf))
    squared = np.square(x - blocks.centres[:, :1]) + np.square(y - blocks.centres[:, 1:])  # (B, M)
    closest = squared.argmin(axis=0)
    for b in range(len(squared)):
        _search_block(x, y, blocks, b, np.flatnonzero(closest == b), found)
    for b, radius in enumerate(blocks.radii):
        near = (squared[b] <= np.square(np.sqrt(found.squared_distance) + radius)) & (closest != b)
        _search_block(x, y, blocks, b, np.flatnonzero(near), found)
    return found


class _Nearest(NamedTuple):
    """Best result so far for M points: segment, fraction of it, squared distance in m^2, (M,) each."""

    segment: Indices
    fraction: Floats
    squared_distance: Floats


def _search_block(x: Floats, y: Floats, blocks: Blocks, b: int, rows: Indices, found: _Nearest) -> None:
    """Update `found` in place with the nearest segments of block b for the points in `rows`."""
    wx, wy = blocks.vectors[b].T[..., None]  # (S, 1) each
    px, py = x[rows] - blocks.starts[b, :, :1], y[rows] - blocks.starts[b, :, 1:]  # (S, R)
    fraction = np.minimum(
        np.maximum((px * wx + py * wy) * blocks.inverse_squared_lengths[b, :, None], 0.0), 1.0
    )
    px -= fraction * wx
    py -= fraction * wy
    squared = px * px + py * py
    best, columns = squared.argmin(axis=0), np.arange(len(rows))
    nearest, segment = squared[best, columns], b * _BLOCK + best
    so_far = found.squared_distance[rows]
    is_nearer = (nearest < so_far) | ((nearest == so_far) & (segment < found.segment[rows]))
    for kept, new in zip(found, (segment, fraction[best, columns], nearest), strict=True):
        kept[rows[is_nearer]] = new[is_nearer]
