"""Where on the road something is: lanes under points, the lanes a drive follows, which follow each other."""

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
"""The index of no lane."""

_BRIDGED_M = 12.0  # lanes shorter than this are passed over when asking what follows: a car may span them


class Lanes:
    """The lanes of a road that one may drive on, by index.

    Attributes:
        ids: of the road's lanes, in its order.
        polygons: their areas.
    """

    def __init__(self, road: Road) -> None:
        self._lanes = [lane for lane in road.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS]
        if not self._lanes:
            raise ShapeError("the road has no lanes to drive on: routes and scores need one or more")
        self.ids: tuple[int, ...] = tuple(lane.id for lane in self._lanes)
        self.polygons = Polygons([lane.polygon for lane in self._lanes])
        self._centrelines: dict[int, Centreline] = {}
        self._index = {identity: index for index, identity in enumerate(self.ids)}

    def __len__(self) -> int:
        """How many there are."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Lane:
        """The lane with an index."""
        return self._lanes[index]

    def indices(self, ids: Iterable[int]) -> list[int]:
        """Indices of lanes by their ids; footways and strangers are passed over."""
        return [self._index[identity] for identity in ids if identity in self._index]

    def containing(self, points: ArrayLike) -> Indices:
        """Indices of the lanes that hold points (..., 2), then NOWHERE, (..., K)."""
        return self.polygons.containing(points)

    def centreline(self, index: int) -> Centreline:
        """The centre of a lane as a line to project on."""
        if index not in self._centrelines:
            self._centrelines[index] = Centreline(self[index].centre)
        return self._centrelines[index]

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """Of the centre lines, (L,), in m."""
        steps = (np.diff(lane.centre, axis=0) for lane in self._lanes)
        return np.array([np.hypot(*step.T).sum() for step in steps])

    @cached_property
    def speed_limits(self) -> NDArray[np.float64]:
        """Speed limits, (L,), in m/s; infinite where none is known."""
        return np.array([lane.speed_limit for lane in self._lanes])

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Whether a car that is on a lane (rows) may be on another (columns) too without changing, (L, L).

        That are the lane itself and what follows it, beyond short lanes as well.
        """
        reach = np.eye(len(self), dtype=np.bool_)
        for index in range(len(self)):
            ahead = [(after, 0.0) for after in self.indices(self[index].successors)]
            while ahead:
                lane, way = ahead.pop()
                if not reach[index, lane]:
                    reach[index, lane] = True
                    way += float(self.lengths[lane])
                    if way < _BRIDGED_M:
                        ahead += [(after, way) for after in self.indices(self[lane].successors)]
        return reach

    def in_one_lane(self, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which boxes lie in one lane and what follows it: corners (..., 4, 2) to (...)."""
        held = self.containing(corners)  # (..., 4, K)
        on = np.zeros((*held.shape[:-1], len(self) + 1), np.bool_)  # the last one takes NOWHERE
        np.put_along_axis(on, held, True, axis=-1)
        reached = on[..., :-1] @ self.reachable.T  # (..., 4, L): by which lanes each corner is reached
        return np.asarray(reached.all(axis=-2).any(axis=-1))

    def match(self, points: ArrayLike) -> Indices:
        """The lane a drive follows at each of its points (T, 2), (T,); NOWHERE off the lanes.

        Where lanes overlap it is the one that the drive stays in longest, and it goes on to a lane that
        follows. Source: nuplan-devkit's route extractor.
        """
        held = [frozenset(row[row >= 0].tolist()) for row in self.containing(points)]
        candidates: list[frozenset[int]] = []
        before: frozenset[int] = frozenset()
        for here in held:
            before = (before & here) or (self._after(before) & here) or self._entered(here)
            candidates.append(before)
        chosen, last = np.full(len(held), NO_LANE, np.int64), NO_LANE
        for step in range(len(held) - 1, -1, -1):
            last = self._chosen(candidates[step], last)
            chosen[step] = last
        return chosen

    def _after(self, lanes: frozenset[int]) -> frozenset[int]:
        return frozenset(after for lane in lanes for after in self.indices(self[lane].successors))

    def _entered(self, lanes: frozenset[int]) -> frozenset[int]:
        """Lanes of roads before those of intersections."""
        return frozenset(lane for lane in lanes if not self[lane].is_intersection) or lanes

    def _chosen(self, candidates: frozenset[int], later: int) -> int:
        """The candidate that the drive goes on in, or that leads to where it goes on."""
        if not candidates:
            return NO_LANE
        if later in candidates:
            return later
        leading = [lane for lane in sorted(candidates) if later in self.indices(self[lane].successors)]
        return leading[0] if leading else min(candidates)
