"""Which of many polygons hold a point, and how far the nearest edge is: exact, for thousands of points.

Space is cut into tiles. A tile knows the polygons that reach into it, of each only the edges that matter there,
and whether the rest of its edges turn inside and outside round. A point looks at its own tile.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.checks import checked
from wm_planner.driving.compiled import is_compiled
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

REACH_M = 1.0
"""Edges farther from a point than this may be taken for infinitely far."""

TILE_M = 4.0
"""Side of a tile."""
_AT_ONCE = 50_000  # points


class Tiles(NamedTuple):
    """What the tiles know. A part is one polygon in one tile.

    Attributes:
        origin: x and y of the first tile's corner, (2,), in m.
        counts: tiles along x and y, (2,).
        parts: index of each tile's first part, row by row of x, and one more, (tiles + 1,).
        polygons: of each part, in rising order within a tile, (Q,).
        inverted: whether the edges left out of a part turn inside and outside round, (Q,).
        edges: index of each part's first edge, and one more, (Q + 1,).
        ends: of the edges, x, y, x, y, (E, 4), in m.
    """

    origin: Floats
    counts: Indices
    parts: Indices
    polygons: Indices
    inverted: NDArray[np.bool_]
    edges: Indices
    ends: Floats


class Polygons:
    """Simple polygons that may overlap.

    Args:
        outlines: each (P, 2) in order, closed or not, in m.

    Raises:
        ShapeError: if an outline is of another shape, not finite, or has fewer than three corners.
    """

    def __init__(self, outlines: Sequence[ArrayLike]) -> None:
        self.outlines = tuple(_outline(outline, index) for index, outline in enumerate(outlines))
        self._tiles = _tiled(self.outlines)

    def holding(self, points: ArrayLike) -> Indices:
        """The polygons that hold points (..., 2): their indices in rising order, then -1, (..., K).

        By the even-odd rule; an edge may count either way. K is the most that hold one of the points.
        """
        return self._looked_up(points)[0]

    def contain(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether any polygon holds each of the points (..., 2)."""
        return (self.holding(points) >= 0).any(axis=-1)

    def distance(self, points: ArrayLike) -> Floats:
        """From points (..., 2) to what the polygons cover together, in m; infinite may mean beyond REACH_M."""
        holding, edge = self._looked_up(points)
        return np.where((holding >= 0).any(axis=-1), 0.0, edge)

    def _looked_up(self, points: ArrayLike) -> tuple[Indices, Floats]:
        """Polygons that hold the points, (..., K), and the distance to the nearest edge of any, (...)."""
        wanted = checked(points, "points", 2)
        flat = np.ascontiguousarray(wanted.reshape(-1, 2))
        most = int(np.diff(self._tiles.parts).max(initial=0))
        if is_compiled():
            from wm_planner.driving import kernels

            holding, square = kernels.look_up(flat, most, *self._tiles)
        else:
            starts = range(0, max(len(flat), 1), _AT_ONCE)
            looked = [_look_up(flat[first : first + _AT_ONCE], most, self._tiles) for first in starts]
            holding, square = (np.concatenate(part) for part in zip(*looked, strict=True))
        holding = holding[:, : int((holding >= 0).sum(axis=1).max(initial=0))]
        shape = wanted.shape[:-1]
        return holding.reshape(*shape, holding.shape[1]), np.sqrt(square).reshape(shape)


def _outline(outline: ArrayLike, index: int) -> Floats:
    points = checked(outline, f"polygon {index}", None, 2)
    if points.ndim == 2 and len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if points.ndim != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ShapeError(f"polygon {index} has shape {points.shape}, wanted (P, 2), P >= 3, all finite")
    return points


def _tiled(outlines: Sequence[Floats]) -> Tiles:
    """The tiles over all polygons."""
    if not outlines:
        nothing = np.zeros(0, np.int64)
        one = np.zeros(1, np.int64)
        return Tiles(np.zeros(2), np.zeros(2, np.int64), one, nothing, nothing > 0, one, np.zeros((0, 4)))
    low = np.min([outline.min(axis=0) for outline in outlines], axis=0) - REACH_M
    high = np.max([outline.max(axis=0) for outline in outlines], axis=0) + REACH_M
    counts = np.ceil((high - low) / TILE_M).astype(np.int64) + 1
    parts = [_parts(outline, low, counts) for outline in outlines]
    tile, inverted, edges = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:3])
    ends = np.concatenate([part[3] for part in parts])
    polygon = np.repeat(np.arange(len(outlines)), [len(part[0]) for part in parts])
    order = np.argsort(tile, kind="stable")  # keeps polygons in rising order
    starts = np.concatenate([[0], np.cumsum(edges)])
    gathered = np.concatenate([np.arange(starts[q], starts[q + 1]) for q in order]) if len(order) else []
    return Tiles(
        origin=low,
        counts=counts,
        parts=np.searchsorted(tile[order], np.arange(counts.prod() + 1)),
        polygons=polygon[order],
        inverted=inverted[order],
        edges=np.concatenate([[0], np.cumsum(edges[order])]),
        ends=ends[np.asarray(gathered, np.int64)],
    )


def _parts(
    outline: Floats, origin: Floats, counts: Indices
) -> tuple[Indices, NDArray[np.bool_], Indices, Floats]:
    """One polygon's parts: their tiles, which are inverted, how many edges each has, and these edges."""
    ends = np.concatenate([outline, np.roll(outline, -1, axis=0)], axis=1)  # (P, 4)
    first, last = ((edge(outline, axis=0) - origin) / TILE_M for edge in (np.min, np.max))
    reach = REACH_M / TILE_M
    x = np.arange(max(int(first[0] - reach), 0), min(int(last[0] + reach) + 1, counts[0]))
    y = np.arange(max(int(first[1] - reach), 0), min(int(last[1] + reach) + 1, counts[1]))
    column, row = (axis.ravel() for axis in np.meshgrid(x, y, indexing="ij"))
    low = origin + TILE_M * np.stack([column, row], axis=1)[:, None]  # (tiles, 1, 2)
    high = low + TILE_M
    lowest, highest = np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])  # (P, 2)
    near = ((lowest <= high + REACH_M) & (highest >= low - REACH_M)).all(axis=2)  # (tiles, P)
    # A ray along +x from within the tile crosses each edge to the right; those as high as the tile, always.
    right = (highest[:, 0] >= low[..., 0]) & (lowest[:, 1] <= high[..., 1]) & (highest[:, 1] >= low[..., 1])
    always = (
        (lowest[:, 0] > high[..., 0]) & (lowest[:, 1] < low[..., 1]) & (highest[:, 1] > high[..., 1]) & ~near
    )
    kept = near | (right & ~always)
    inverted = always.sum(axis=1) % 2 == 1
    used = kept.any(axis=1) | inverted
    part, edge = np.nonzero(kept[used])
    tiles = column * counts[1] + row
    return tiles[used], inverted[used], np.bincount(part, minlength=used.sum()), ends[edge]


def _look_up(points: Floats, most: int, tiles: Tiles) -> tuple[Indices, Floats]:
    """What the kernel does, by NumPy."""
    holding = np.full((len(points), most), -1, np.int64)
    square = np.full(len(points), np.inf)
    at = np.floor((points - tiles.origin) / TILE_M)
    inside = ((at >= 0) & (at < tiles.counts)).all(axis=1)
    index = np.flatnonzero(inside)
    tile = at[index].astype(np.int64) @ np.array([tiles.counts[1], 1])
    point, part = _spread(tiles.parts[tile], tiles.parts[tile + 1])  # of each part that a point looks at
    point = index[point]
    pair, edge = _spread(tiles.edges[part], tiles.edges[part + 1])
    x, y = points[point[pair]].T
    x0, y0, x1, y1 = tiles.ends[edge].T
    crossed, away = crossing(x, y, x0, y0, x1, y1)
    odd = np.bincount(pair, crossed, minlength=len(part)) % 2 == 1
    np.minimum.at(square, point[pair], away)
    held = odd != tiles.inverted[part]
    rank = np.cumsum(held) - held  # of those that hold the same point, counted from its first
    first = np.searchsorted(point, point)
    holding[point[held], (rank - rank[first])[held]] = tiles.polygons[part[held]]
    return holding, square


def _spread(first: Indices, last: Indices) -> tuple[Indices, Indices]:
    """All of several ranges: which one, and the number in it."""
    counts = last - first
    which = np.repeat(np.arange(len(first)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts - first, counts)


def crossing(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> tuple[Any, Any]:
    """Whether a ray along +x from a point crosses an edge, and the squared distance of the two.

    Takes arrays, or numbers inside a kernel.
    """
    wx, wy = x1 - x0, y1 - y0
    crossed = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (wy + (wy == 0)) * wx)
    square = wx * wx + wy * wy
    share = ((x - x0) * wx + (y - y0) * wy) / (square + (square == 0))
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    dx, dy = x - x0 - share * wx, y - y0 - share * wy
    return crossed, dx * dx + dy * dy
