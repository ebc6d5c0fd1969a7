"""The drivable lanes of a road by index: which contain a point, which follow, and which a drive follows."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.scenarios.road import NON_DRIVABLE_KINDS, Lane, Road
from wm_planner.errors import ShapeError

Indices = NDArray[np.int64]

NO_LANE = -1
"""Index for points off the lanes."""

_SHORT_LANE_M = 12.0  # a car may span lanes shorter than this, so their successors are reachable as well


class Lanes:
    """The drivable lanes of a road, by index.

    Attributes:
        ids: lane ids, in the road's order.
        polygons: areas of the lanes.

    Raises:
        ShapeError: if the road has no drivable lane.
    """

    def __init__(self, road: Road) -> None:
        self._lanes = [lane for lane in road.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS]
        if not self._lanes:
            raise ShapeError("the road has no drivable lane: routes and scores need one or more")
        self.ids: tuple[int, ...] = tuple(lane.id for lane in self._lanes)
        self.polygons = Polygons([lane.polygon for lane in self._lanes])
        self._centrelines: dict[int, Centreline] = {}
        self._index = {identity: index for index, identity in enumerate(self.ids)}

    def __len__(self) -> int:
        """Number of lanes."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Lane:
        """The lane at an index."""
        return self._lanes[index]

    def indices(self, ids: Iterable[int]) -> list[int]:
        """Indices of lanes by their ids; ids of footways and unknown ids are ignored."""
        return [self._index[identity] for identity in ids if identity in self._index]

    def neighbours(self, index: int) -> list[int]:
        """Indices of the adjacent lanes with the same direction, left before right."""
        sides = (self[index].left_neighbour, self[index].right_neighbour)
        return self.indices(side.id for side in sides if side and side.same_direction)

    def containing(self, points: ArrayLike) -> Indices:
        """Indices of the lanes that contain points (..., 2), padded with NO_LANE, (..., K)."""
        return self.polygons.containing(points)

    def centreline(self, index: int) -> Centreline:
        """The centre line of a lane, for projections."""
        if index not in self._centrelines:
            self._centrelines[index] = Centreline(self[index].centre)
        return self._centrelines[index]

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """Lengths of the centre lines, (L,), in m."""
        steps = (np.diff(lane.centre, axis=0) for lane in self._lanes)
        return np.array([np.hypot(*step.T).sum() for step in steps])

    @cached_property
    def speed_limits(self) -> NDArray[np.float64]:
        """Speed limits, (L,), in m/s; infinite where none is known."""
        return np.array([lane.speed_limit for lane in self._lanes])

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Whether a car on one lane (rows) may overlap another (columns) without a lane change, (L, L).

        True for the lane itself and its successors, continued beyond short lanes.
        """
        reach = np.eye(len(self), dtype=np.bool_)
        for index in range(len(self)):
            ahead = [(after, 0.0) for after in self.indices(self[index].successors)]
            while ahead:
                lane, distance = ahead.pop()
                if not reach[index, lane]:
                    reach[index, lane] = True
                    distance += float(self.lengths[lane])
                    if distance < _SHORT_LANE_M:
                        ahead += [(after, distance) for after in self.indices(self[lane].successors)]
        return reach

    def in_one_lane(self, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether boxes with corners (..., 4, 2) lie in a single lane and its successors, (...)."""
        containing = self.containing(corners)  # (..., 4, K)
        on = np.zeros((*containing.shape[:-1], len(self) + 1), np.bool_)  # the last column is for NO_LANE
        np.put_along_axis(on, containing, True, axis=-1)
        reached = on[..., :-1] @ self.reachable.T  # (..., 4, L): lanes from which each corner is reachable
        return np.asarray(reached.all(axis=-2).any(axis=-1))

    def match(self, points: ArrayLike) -> Indices:
        """Map-match a trajectory (T, 2): the lane it follows at each point, (T,); NO_LANE off the lanes.

        Where lanes overlap, the lane in which the trajectory stays longest is preferred, then a successor.
        Source: nuplan-devkit's route extractor.
        """
        containing = [frozenset(row[row >= 0].tolist()) for row in self.containing(points)]
        candidates: list[frozenset[int]] = []
        before: frozenset[int] = frozenset()
        for here in containing:
            before = (before & here) or (self._successors(before) & here) or self._outside_intersections(here)
            candidates.append(before)
        chosen, last = np.full(len(containing), NO_LANE, np.int64), NO_LANE
        for step in range(len(containing) - 1, -1, -1):
            last = self._choose(candidates[step], last)
            chosen[step] = last
        return chosen

    def _successors(self, lanes: frozenset[int]) -> frozenset[int]:
        return frozenset(after for lane in lanes for after in self.indices(self[lane].successors))

    def _outside_intersections(self, lanes: frozenset[int]) -> frozenset[int]:
        """Those of the lanes that lie outside of intersections, or all of them if none does."""
        return frozenset(lane for lane in lanes if not self[lane].is_intersection) or lanes

    def _choose(self, candidates: frozenset[int], later: int) -> int:
        """The candidate that equals the lane at the next step, or leads to it, or has the lowest index."""
        if not candidates:
            return NO_LANE
        if later in candidates:
            return later
        leading = [lane for lane in sorted(candidates) if later in self.indices(self[lane].successors)]
        return leading[0] if leading else min(candidates)
