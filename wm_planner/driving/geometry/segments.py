"""The nearest of a polyline's segments, exactly: segments lie in blocks, and far blocks are passed over."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.compiled import is_compiled

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_BLOCK = 12  # segments
_SLACK = 1e-6  # m, by which rounding may misjudge how far a block is
_CHUNK = 100_000  # points


class Blocks(NamedTuple):
    """A polyline of P - 1 segments in B blocks; the last block repeats its last segment.

    Attributes:
        starts: (B, _BLOCK, 2), the segments' first points, in m.
        ways: (B, _BLOCK, 2), from there to their last points, in m.
        inverses: (B, _BLOCK), 1 over the square of their lengths.
        centres: (B, 2), of a circle around each block.
        radii: (B,), its radius.
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
    """The nearest segment of points (M, 2), the first of several.

    Returns:
        Its index, the share of it where its nearest point lies, and the squared distance, (M,) each.
    """
    if is_compiled():
        from wm_planner.driving.geometry import kernels

        return kernels.nearest_segments(points, *blocks)
    parts = [
        _nearest(points[first : first + _CHUNK], blocks) for first in range(0, max(len(points), 1), _CHUNK)
    ]
    segment, share, square = (np.concatenate(part) for part in zip(*parts, strict=True))
    return segment, share, square


def _nearest(points: Floats, blocks: Blocks) -> tuple[Indices, Floats, Floats]:
    """What the kernel does, by NumPy: first in the block whose centre is nearest, then in all near enough."""
    x, y = np.ascontiguousarray(points.T)
    found = _Nearest(np.zeros(len(x), np.int64), np.zeros(len(x)), np.full(len(x), np.inf))
    away = np.square(x - blocks.centres[:, :1]) + np.square(y - blocks.centres[:, 1:])  # (B, M)
    likeliest = away.argmin(axis=0)
    for b in range(len(away)):
        _search_block(x, y, blocks, b, np.flatnonzero(likeliest == b), found)
    for b, radius in enumerate(blocks.radii):
        near = (away[b] <= np.square(np.sqrt(found.squared_distance) + radius)) & (likeliest != b)
        _search_block(x, y, blocks, b, np.flatnonzero(near), found)
    return found


class _Nearest(NamedTuple):
    """The nearest segment of M points so far: its index, the share of it, the squared distance, (M,) each."""

    segment: Indices
    fraction: Floats
    squared_distance: Floats


def _search_block(x: Floats, y: Floats, blocks: Blocks, b: int, rows: Indices, found: _Nearest) -> None:
    """Put the nearest segment of block b to the points in `rows` into `found`, where it is nearer."""
    wx, wy = blocks.vectors[b].T[..., None]  # (S, 1) each
    px, py = x[rows] - blocks.starts[b, :, :1], y[rows] - blocks.starts[b, :, 1:]  # (S, R)
    share = np.minimum(np.maximum((px * wx + py * wy) * blocks.inverse_squared_lengths[b, :, None], 0.0), 1.0)
    px -= share * wx
    py -= share * wy
    square = px * px + py * py
    best, columns = square.argmin(axis=0), np.arange(len(rows))
    least, segment = square[best, columns], b * _BLOCK + best
    so_far = found.squared_distance[rows]
    nearer = (least < so_far) | ((least == so_far) & (segment < found.segment[rows]))
    for kept, new in zip(found, (segment, share[best, columns], least), strict=True):
        kept[rows[nearer]] = new[nearer]
