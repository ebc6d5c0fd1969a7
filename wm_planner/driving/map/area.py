"""The drivable area: signed distances from a grid, refined by exact polygon tests near the edge."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.checks import finite
from wm_planner.driving.geometry.compiled import is_compiled
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.tiles import REACH_M
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

_MARGIN_M = 10.0  # of the grid around the area
_MAX_NODES = 4_000_000


class DrivableArea:
    """The union of polygons.

    A grid stores the signed distance at its nodes. Outside of the area it is exact up to REACH_M, and at
    least REACH_M beyond. Interpolation between nodes is off by at most `grid_error_m`, so that the exact
    polygon test is needed only for points whose distance is closer than that to the threshold.

    Args:
        outlines: polygons (P, 2) in m.
        cell_m: cell size of the grid; doubled until the grid has at most 4 million nodes.

    Attributes:
        polygons: the polygons, in the order given.
        cell_m: cell size of the grid, in m.

    Raises:
        ShapeError: if there is no polygon, or a polygon is invalid.
    """

    def __init__(self, outlines: Sequence[ArrayLike], cell_m: float = 0.25) -> None:
        if not outlines:
            raise ShapeError("a drivable area without polygons, wanted one or more")
        self.polygons = Polygons(outlines)
        points = np.concatenate(self.polygons.outlines)
        self._low: Floats = points.min(axis=0) - _MARGIN_M
        extent = points.max(axis=0) + _MARGIN_M - self._low
        while (np.ceil(extent / cell_m) + 1).prod() > _MAX_NODES:
            cell_m *= 2
        self.cell_m = cell_m
        self._grid = self._node_distances(np.ceil(extent / cell_m).astype(int) + 1)
        self._signed = np.minimum(self._grid, REACH_M)  # exact at the nodes outside of the area
        self._near = np.maximum(self._signed, 0.0)

    @property
    def grid_error_m(self) -> float:
        """Maximum interpolation error of a distance outside of the area, in m."""
        return float(self.cell_m * np.sqrt(0.5))

    def signed_distance(self, points: ArrayLike) -> Floats:
        """Distances (...) from points (..., 2) to the area's edge in m, from the grid: below 0 inside.

        Outside they go up to 10. Inside they are off by a cell in wide areas, and by more next to gaps
        narrower than a cell.
        """
        return self._interpolated(self._grid, finite(points, "points", 2))

    def outside(self, points: ArrayLike, tolerance_m: float = 0.0) -> NDArray[np.bool_]:
        """Whether points (..., 2) are farther than `tolerance_m` from the area, (...).

        Exact, except that a tolerance below `grid_error_m` may miss gaps narrower than a cell, which are
        usually seams between polygons that are meant to touch.

        Raises:
            ShapeError: if the tolerance is not from 0 to REACH_M.
        """
        if not 0 <= tolerance_m <= REACH_M:
            raise ShapeError(f"the tolerance is {tolerance_m} m, wanted 0 to {REACH_M}")
        points = finite(points, "points", 2)
        is_tight = tolerance_m <= self.grid_error_m  # then the sign of the distance matters
        distance = self._interpolated(self._signed if is_tight else self._near, points)
        outside = np.asarray(distance > tolerance_m)
        uncertain = np.abs(distance - tolerance_m) <= self.grid_error_m + is_tight * self.cell_m
        exact, polygons = points[uncertain], self.polygons
        outside[uncertain] = (
            polygons.distance(exact) > tolerance_m if tolerance_m else ~polygons.contains(exact)
        )
        return outside

    def box_outside(self, poses: Floats, size: ArrayLike, tolerance_m: float = 0.3) -> NDArray[np.bool_]:
        """Whether any corner of a box is more than `tolerance_m` outside of the area, (...).

        Args:
            poses: of the box centres, x, y, yaw, (..., 3 or more).
            size: length and width of the boxes, (2,), in m.
        """
        return np.asarray(self.outside(box_corners(oriented_boxes(poses, size)), tolerance_m).any(axis=-1))

    def _node_distances(self, counts: NDArray[np.int_]) -> NDArray[np.float32]:
        """Signed distances at the nodes, (columns, rows), in m."""
        from scipy.ndimage import distance_transform_edt

        x, y = (low + self.cell_m * np.arange(n) for low, n in zip(self._low, counts, strict=True))
        grid = np.empty(counts, np.float32)
        for column, at in enumerate(x):
            grid[column] = self.polygons.distance(np.stack([np.full(len(y), at), y], axis=1))
        inside = grid == 0
        depth, far = (self.cell_m * (distance_transform_edt(side) - 0.5) for side in (inside, ~inside))
        grid = np.where(grid <= REACH_M, grid, np.maximum(far, REACH_M))
        return np.where(inside, -depth, grid).astype(np.float32)

    def _interpolated(self, grid: NDArray[np.float32], points: Floats) -> Floats:
        """Values (...) of a grid at points (..., 2), by bilinear interpolation."""
        flat = np.ascontiguousarray(points.reshape(-1, 2))
        if is_compiled():
            from wm_planner.driving.geometry import kernels

            values = kernels.bilinear(grid, self._low, self.cell_m, flat)
        else:
            values = _bilinear(grid, self._low, self.cell_m, flat)
        return values.reshape(points.shape[:-1])


def _bilinear(grid: NDArray[np.float32], low: Floats, cell_m: float, points: Floats) -> Floats:
    """NumPy version of `kernels.bilinear`."""
    columns, rows = grid.shape
    x = np.minimum(np.maximum((points[:, 0] - low[0]) / cell_m, 0.0), columns - 1.001)
    y = np.minimum(np.maximum((points[:, 1] - low[1]) / cell_m, 0.0), rows - 1.001)
    i, j = x.astype(np.int64), y.astype(np.int64)
    u, v = x - i, y - j
    nodes, at = grid.ravel(), i * rows + j
    a, b, c, d = (nodes[at + step].astype(np.float64) for step in (0, 1, rows, rows + 1))
    interpolated: Floats = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)
    return interpolated
