"""Shapes on the ground: rectangles, circles and polygons, in metres, in the map frame.

Every shape has a containment test and an outline polygon. Arrays are copied and read-only, because thousands
of rollouts may share a scenario.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from wm_planner.errors import ShapeError

Points: TypeAlias = NDArray[np.float64]  # (..., 2), metres

_CIRCLE_CORNERS = 32


def frozen_array(
    values: ArrayLike, name: str, axes: tuple[int | None, ...], dtype: DTypeLike = np.float64
) -> Any:
    """A read-only copy of `values`.

    Args:
        name: of the array, for errors.
        axes: required length of each axis, None for any.

    Raises:
        ShapeError: if the shape is different.
    """
    array = np.array(values, dtype)
    if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(axes, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in axes)
        raise ShapeError(f"{name} has shape {array.shape}, wanted ({wanted})")
    array.flags.writeable = False
    return array


def rotation(yaw: float) -> Points:
    """The matrix (2, 2) that rotates column vectors counter-clockwise by `yaw` [rad]."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin], [sin, cos]])


@dataclass(frozen=True, eq=False)
class Rectangle:
    """An oriented rectangle.

    Attributes:
        centre: (2,), in m.
        length: along `yaw`, in m.
        width: across `yaw`, in m.
        yaw: counter-clockwise from x, in rad.
    """

    centre: Points
    length: float
    width: float
    yaw: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", frozen_array(self.centre, "the centre of a rectangle", (2,)))

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """Which points (..., 2) lie inside or on the edge, (...)."""
        local = np.abs((points - self.centre) @ rotation(self.yaw))
        return (local[..., 0] <= self.length / 2) & (local[..., 1] <= self.width / 2)

    @property
    def outline(self) -> Points:
        """The corners (4, 2), counter-clockwise."""
        signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        return self.centre + signs * (self.length / 2, self.width / 2) @ rotation(self.yaw).T


@dataclass(frozen=True, eq=False)
class Circle:
    """A disc.

    Attributes:
        centre: (2,), in m.
        radius: in m.
    """

    centre: Points
    radius: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", frozen_array(self.centre, "the centre of a circle", (2,)))

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """Which points (..., 2) lie inside or on the edge, (...)."""
        inside: NDArray[np.bool_] = np.square(points - self.centre).sum(axis=-1) <= self.radius**2
        return inside

    @property
    def outline(self) -> Points:
        """A regular polygon (32, 2) that circumscribes the disc, counter-clockwise."""
        angles = np.arange(_CIRCLE_CORNERS) * (2 * np.pi / _CIRCLE_CORNERS)
        around = self.radius / np.cos(np.pi / _CIRCLE_CORNERS)
        corners: Points = self.centre + around * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return corners


@dataclass(frozen=True, eq=False)
class Polygon:
    """A simple polygon.

    Attributes:
        vertices: (P, 2) in order, not closed, in m.
    """

    vertices: Points

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices", frozen_array(self.vertices, "a polygon", (None, 2)))
        if len(self.vertices) < 3:
            raise ShapeError(f"a polygon has {len(self.vertices)} vertices, wanted 3 or more")

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """Which points (..., 2) lie inside, (...), by the even-odd rule; edge points may count either way."""
        x, y = points[..., 0, None], points[..., 1, None]
        (x0, y0), (x1, y1) = self.vertices.T, np.roll(self.vertices, -1, axis=0).T
        rise = np.where(y1 == y0, 1.0, y1 - y0)
        crosses = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / rise * (x1 - x0))
        inside: NDArray[np.bool_] = crosses.sum(axis=-1) % 2 == 1
        return inside

    @property
    def outline(self) -> Points:
        """The vertices (P, 2)."""
        return self.vertices


Shape: TypeAlias = Rectangle | Circle | Polygon
