"""The drivable area: how far points are from its edge, by a grid, and exactly where a verdict hangs on it."""

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

_MARGIN_M = 10.0  # of grid around the area
_MOST_NODES = 4_000_000


class DrivableArea:
    """What polygons cover together.

    A grid holds the signed distance at its nodes. Outside it is exact up to REACH_M and at least that beyond.
    Between nodes it is off by no more than `error_m`: a verdict needs the polygons only that near to it.

    Args:
        outlines: polygons (P, 2) in m.
        cell_m: side of a cell; doubled until the grid fits into 4 million nodes.

    Attributes:
        polygons: the polygons, in the order given.
        cell_m: side of a cell.

    Raises:
        ShapeError: if there is no polygon, or one is not fit to be one.
    """

    def __init__(self, outlines: Sequence[ArrayLike], cell_m: float = 0.25) -> None:
        if not outlines:
            raise ShapeError("a drivable area of no polygons, wanted one or more")
        self.polygons = Polygons(outlines)
        points = np.concatenate(self.polygons.outlines)
        self._low: Floats = points.min(axis=0) - _MARGIN_M
        extent = points.max(axis=0) + _MARGIN_M - self._low
        while (np.ceil(extent / cell_m) + 1).prod() > _MOST_NODES:
            cell_m *= 2
        self.cell_m = cell_m
        self._grid = self._filled(np.ceil(extent / cell_m).astype(int) + 1)
        self._signed = np.minimum(self._grid, REACH_M)  # outside, it is exact at the nodes
        self._near = np.maximum(self._signed, 0.0)

    @property
    def grid_error_m(self) -> float:
        """The most that a distance between nodes is off by, outside of the area."""
        return float(self.cell_m * np.sqrt(0.5))

    def signed_distance(self, points: ArrayLike) -> Floats:
        """From points (..., 2) to the area's edge in m, (...), by the grid: below 0 inside, 0 to 10 outside.

        Inside it is off by a cell where the area is wide, and by more beside gaps narrower than a cell.
        """
        return self._interpolated(self._grid, finite(points, "points", 2))

    def outside(self, points: ArrayLike, tolerance_m: float = 0.0) -> NDArray[np.bool_]:
        """Which points (..., 2) are farther than `tolerance_m` from the area.

        Exact; only with a tolerance below `error_m` may gaps narrower than a cell pass unseen, as the seams
        between polygons that were drawn to touch should.

        Raises:
            ShapeError: if the tolerance is not from 0 to REACH_M.
        """
        if not 0 <= tolerance_m <= REACH_M:
            raise ShapeError(f"the tolerance is {tolerance_m} m, wanted 0 to {REACH_M}")
        wanted = finite(points, "points", 2)
        seams = tolerance_m <= self.grid_error_m  # then what is inside must be told apart from the edge
        off = self._interpolated(self._signed if seams else self._near, wanted)
        outside = np.asarray(off > tolerance_m)
        unsure = np.abs(off - tolerance_m) <= self.grid_error_m + seams * self.cell_m
        there = wanted[unsure]
        polygons = self.polygons
        outside[unsure] = polygons.distance(there) > tolerance_m if tolerance_m else ~polygons.contains(there)
        return outside

    def box_outside(self, poses: Floats, size: ArrayLike, tolerance_m: float = 0.3) -> NDArray[np.bool_]:
        """Whether boxes have a corner farther than `tolerance_m` outside, (...).

        Args:
            poses: of the boxes' centres, x, y, yaw, (..., 3 or more).
            size: length and width, (2,), in m.
        """
        return np.asarray(self.outside(box_corners(oriented_boxes(poses, size)), tolerance_m).any(axis=-1))

    def _filled(self, counts: NDArray[np.int_]) -> NDArray[np.float32]:
        """The signed distance at the nodes, (columns, rows)."""
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
        """A grid at points (..., 2), bilinear."""
        flat = np.ascontiguousarray(points.reshape(-1, 2))
        if is_compiled():
            from wm_planner.driving.geometry import kernels

            values = kernels.interpolated(grid, self._low, self.cell_m, flat)
        else:
            values = _interpolated(grid, self._low, self.cell_m, flat)
        return values.reshape(points.shape[:-1])


def _interpolated(grid: NDArray[np.float32], low: Floats, cell_m: float, points: Floats) -> Floats:
    """What the kernel does, by NumPy."""
    columns, rows = grid.shape
    x = np.minimum(np.maximum((points[:, 0] - low[0]) / cell_m, 0.0), columns - 1.001)
    y = np.minimum(np.maximum((points[:, 1] - low[1]) / cell_m, 0.0), rows - 1.001)
    i, j = x.astype(np.int64), y.astype(np.int64)
    u, v = x - i, y - j
    nodes, at = grid.ravel(), i * rows + j
    a, b, c, d = (nodes[at + step].astype(np.float64) for step in (0, 1, rows, rows + 1))
    interpolated: Floats = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)
    return interpolated
