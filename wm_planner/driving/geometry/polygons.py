"""Exact point-in-polygon and distance queries of many points against many polygons."""

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
        outlines: vertices (P, 2) of each polygon in order, closed or not, in m.

    Raises:
        ShapeError: if an outline has a different shape, is not finite, or has fewer than three vertices.
    """

    def __init__(self, outlines: Sequence[ArrayLike]) -> None:
        self.outlines = tuple(_outline(outline, index) for index, outline in enumerate(outlines))
        self._tiles = build_tiles(self.outlines)

    def containing(self, points: ArrayLike) -> Indices:
        """Indices of the polygons that contain points (..., 2), increasing and padded with -1, (..., K).

        Uses the even-odd rule; points on an edge may count as inside or outside. K is the largest number of
        polygons that contain one of the points.
        """
        return self._query(points, measured=False)[0]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (..., 2) lie in any polygon, (...)."""
        return np.asarray((self.containing(points) >= 0).any(axis=-1))

    def distance(self, points: ArrayLike) -> Floats:
        """Distances (...) to the union of the polygons in m; may be inf above REACH_M."""
        containing, edge = self._query(points, measured=True)
        return np.where((containing >= 0).any(axis=-1), 0.0, edge)

    def _query(self, points: ArrayLike, measured: bool) -> tuple[Indices, Floats]:
        """Polygons that contain the points, (..., K), and the distances to the nearest edge, (...).

        The distances are infinite unless `measured`.
        """
        wanted = checked(points, "points", 2)
        flat = np.ascontiguousarray(wanted.reshape(-1, 2))
        max_parts = int(np.diff(self._tiles.parts).max(initial=0))
        if is_compiled():
            from wm_planner.driving.geometry import kernels

            containing, squared = kernels.query_polygons(flat, max_parts, measured, *self._tiles)
        else:
            chunks = (flat[first : first + _CHUNK] for first in range(0, max(len(flat), 1), _CHUNK))
            results = [_query_numpy(chunk, max_parts, measured, self._tiles) for chunk in chunks]
            containing, squared = (np.concatenate(part) for part in zip(*results, strict=True))
        containing = containing[:, : int((containing >= 0).sum(axis=1).max(initial=0))]
        shape = wanted.shape[:-1]
        return containing.reshape(*shape, containing.shape[1]), np.sqrt(squared).reshape(shape)


def _outline(outline: ArrayLike, index: int) -> Floats:
    points = checked(outline, f"polygon {index}", None, 2)
    if points.ndim == 2 and len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if points.ndim != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ShapeError(f"polygon {index} has shape {points.shape}, wanted (P, 2), P >= 3, all finite")
    return points


def _query_numpy(points: Floats, max_parts: int, measured: bool, tiles: Tiles) -> tuple[Indices, Floats]:
    """NumPy version of `kernels.query_polygons`."""
    containing = np.full((len(points), max_parts), -1, np.int64)
    squared = np.full(len(points), np.inf)
    at = np.floor((points - tiles.origin) / tiles.side)
    inside = ((at >= 0) & (at < tiles.counts)).all(axis=1)
    index = np.flatnonzero(inside)
    tile = at[index].astype(np.int64) @ np.array([tiles.counts[1], 1])
    point, part = expand_ranges(tiles.parts[tile], tiles.parts[tile + 1])  # pairs of points and parts
    point = index[point]
    pair, edge = expand_ranges(tiles.edges[part], tiles.edges[part + 1])
    x, y = points[point[pair]].T
    x0, y0, x1, y1 = tiles.ends[edge].T
    if measured:
        np.minimum.at(squared, point[pair], squared_edge_distance(x, y, x0, y0, x1, y1))
    is_odd = np.bincount(pair, ray_crosses_edge(x, y, x0, y0, x1, y1), minlength=len(part)) % 2 == 1
    is_inside = is_odd != tiles.inverted[part]
    rank = np.cumsum(is_inside) - is_inside  # per point, after subtraction of the rank of its first part
    first = np.searchsorted(point, point)
    columns = (rank - rank[first])[is_inside]
    containing[point[is_inside], columns] = tiles.polygons[part[is_inside]]
    return containing, squared
