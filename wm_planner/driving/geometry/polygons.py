"""Which of many polygons hold a point, and how far the nearest edge is: exact, for thousands of points."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.compiled import is_compiled
from wm_planner.driving.geometry.edges import ray_crosses_edge, squared_edge_distance
from wm_planner.driving.geometry.tiles import Tiles, build_tiles, expand_ranges
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_CHUNK = 50_000  # points


class Polygons:
    """Simple polygons that may overlap.

    Args:
        outlines: each (P, 2) in order, closed or not, in m.

    Raises:
        ShapeError: if an outline is of another shape, not finite, or has fewer than three corners.
    """

    def __init__(self, outlines: Sequence[ArrayLike]) -> None:
        self.outlines = tuple(_outline(outline, index) for index, outline in enumerate(outlines))
        self._tiles = build_tiles(self.outlines)

    def containing(self, points: ArrayLike) -> Indices:
        """The polygons that hold points (..., 2): their indices in rising order, then -1, (..., K).

        By the even-odd rule; an edge may count either way. K is the most that hold one of the points.
        """
        return self._query(points, measured=False)[0]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether any polygon holds each of the points (..., 2)."""
        return np.asarray((self.containing(points) >= 0).any(axis=-1))

    def distance(self, points: ArrayLike) -> Floats:
        """From points (..., 2) to what the polygons cover together, in m; beyond REACH_M perhaps infinite."""
        holding, edge = self._query(points, measured=True)
        return np.where((holding >= 0).any(axis=-1), 0.0, edge)

    def _query(self, points: ArrayLike, measured: bool) -> tuple[Indices, Floats]:
        """Polygons that hold the points, (..., K), if measured the distance to the nearest edge, (...)."""
        wanted = checked(points, "points", 2)
        flat = np.ascontiguousarray(wanted.reshape(-1, 2))
        most = int(np.diff(self._tiles.parts).max(initial=0))
        if is_compiled():
            from wm_planner.driving.geometry import kernels

            holding, square = kernels.query_polygons(flat, most, measured, *self._tiles)
        else:
            starts = range(0, max(len(flat), 1), _CHUNK)
            looked = [
                _query_numpy(flat[first : first + _CHUNK], most, measured, self._tiles) for first in starts
            ]
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


def _query_numpy(points: Floats, most: int, measured: bool, tiles: Tiles) -> tuple[Indices, Floats]:
    """What the kernel does, by NumPy."""
    holding = np.full((len(points), most), -1, np.int64)
    square = np.full(len(points), np.inf)
    at = np.floor((points - tiles.origin) / tiles.side)
    inside = ((at >= 0) & (at < tiles.counts)).all(axis=1)
    index = np.flatnonzero(inside)
    tile = at[index].astype(np.int64) @ np.array([tiles.counts[1], 1])
    point, part = expand_ranges(
        tiles.parts[tile], tiles.parts[tile + 1]
    )  # of each part that a point looks at
    point = index[point]
    pair, edge = expand_ranges(tiles.edges[part], tiles.edges[part + 1])
    x, y = points[point[pair]].T
    x0, y0, x1, y1 = tiles.ends[edge].T
    if measured:
        np.minimum.at(square, point[pair], squared_edge_distance(x, y, x0, y0, x1, y1))
    odd = np.bincount(pair, ray_crosses_edge(x, y, x0, y0, x1, y1), minlength=len(part)) % 2 == 1
    held = odd != tiles.inverted[part]
    rank = np.cumsum(held) - held  # of those that hold the same point, counted from its first
    first = np.searchsorted(point, point)
    holding[point[held], (rank - rank[first])[held]] = tiles.polygons[part[held]]
    return holding, square
