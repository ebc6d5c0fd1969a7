"""Things of any shape that boxes may run into: buildings, parked cars, regions that may be taken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.boxes import LENGTH, WIDTH
from wm_planner.driving.checks import checked
from wm_planner.driving.polygons import Polygons
from wm_planner.driving.scenario import Scenario
from wm_planner.driving.tracks import YAW

Floats = NDArray[np.float64]

_AT_ONCE = 2_000_000  # pairs of a box and an edge


class Obstacles:
    """What polygons cover; there may be none.

    Args:
        outlines: simple polygons (P, 2), in m.
    """

    def __init__(self, outlines: Sequence[ArrayLike]) -> None:
        self._polygons = Polygons(outlines) if outlines else None
        shapes = self._polygons.outlines if self._polygons else ()
        pairs = [np.stack([shape, np.roll(shape, -1, axis=0)], axis=1) for shape in shapes]
        self._edges = np.concatenate([np.empty((0, 2, 2)), *pairs])  # (E, 2 ends, 2)

    def hit(self, boxes: ArrayLike) -> NDArray[np.bool_]:
        """Which boxes (..., 5) touch one of them, (...); a box with NaN touches nothing."""
        given = checked(boxes, "boxes", 5)
        if self._polygons is None:
            return np.zeros(given.shape[:-1], np.bool_)
        flat = given.reshape(-1, 5)
        share = max(_AT_ONCE // len(self._edges), 1)
        parts = [flat[first : first + share] for first in range(0, max(len(flat), 1), share)]
        crossed = np.concatenate([_crossed(part, self._edges).any(axis=1) for part in parts])
        within = self._polygons.contain(np.where(np.isnan(flat[:, :2]), np.inf, flat[:, :2]))
        return np.asarray(crossed | within).reshape(given.shape[:-1])


class Obstructions:
    """All of a scenario that is in the way beside its tracks: obstacles, and occupancies by step."""

    def __init__(self, scenario: Scenario) -> None:
        self._occupancies = scenario.occupancies
        self._standing = Obstacles([shape.outline for each in scenario.obstacles for shape in each.shapes])

    def hit(self, boxes: Floats, first: int) -> NDArray[np.bool_]:
        """Which boxes (..., T, 5) at the steps from `first` on touch something, (..., T)."""
        hit = self._standing.hit(boxes)
        for step in range(boxes.shape[-2] if self._occupancies else 0):
            taken = [outline for each in self._occupancies for outline in each.at(first + step)]
            hit[..., step] |= Obstacles(taken).hit(boxes[..., step, :])
        return hit


def _crossed(boxes: Floats, edges: Floats) -> NDArray[np.bool_]:
    """Which boxes (N, 5) hold a part of which edges (E, 2, 2), (N, E)."""
    cos, sin = np.cos(boxes[:, YAW, None]), np.sin(boxes[:, YAW, None])
    start, way = edges[:, 0] - boxes[:, None, :2], edges[:, 1] - edges[:, 0]  # (N, E, 2), (E, 2)
    along = _clipped(
        start[..., 0] * cos + start[..., 1] * sin, way[:, 0] * cos + way[:, 1] * sin, boxes[:, LENGTH, None]
    )
    across = _clipped(
        start[..., 1] * cos - start[..., 0] * sin, way[:, 1] * cos - way[:, 0] * sin, boxes[:, WIDTH, None]
    )
    first = np.maximum(np.maximum(along[0], across[0]), 0.0)
    last = np.minimum(np.minimum(along[1], across[1]), 1.0)
    return np.asarray(first <= last)


def _clipped(start: Floats, way: Floats, extent: Floats) -> tuple[Floats, Floats]:
    """From which to which share of its way something that begins at `start` is within extent / 2 of 0.

    Source: Liang and Barsky 1984.
    """
    still = way == 0
    pace = np.where(still, 1.0, way)
    ends = (-extent / 2 - start) / pace, (extent / 2 - start) / pace
    inside = np.where(np.abs(start) <= extent / 2, np.inf, -np.inf)  # never, or always
    first = np.where(still, -inside, np.minimum(*ends))
    return first, np.where(still, inside, np.maximum(*ends))
