"""Lanes to look up: which one a pose is on, its centre line, and where it goes on."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.centreline import Centreline
from wm_planner.driving.checks import checked
from wm_planner.driving.polygons import Polygons
from wm_planner.driving.road import FOOTWAYS, Road

Floats = NDArray[np.float64]

_ALIGNED = np.pi / 2  # rad, between a lane and who drives along it


class Lanes:
    """The lanes of a road that are to be driven on.

    Attributes:
        road: the road.
        ids: of the lanes, in the road's order.
    """

    def __init__(self, road: Road) -> None:
        self.road = road
        self.ids = tuple(lane.id for lane in road.lanes.values() if not lane.kinds & FOOTWAYS)
        self._centres: dict[int, Centreline] = {}

    def centre(self, lane: int) -> Centreline:
        """The centre line of a lane."""
        if lane not in self._centres:
            self._centres[lane] = Centreline(self.road.lanes[lane].centre)
        return self._centres[lane]

    def under(self, pose: ArrayLike) -> tuple[int, ...]:
        """The lanes that hold a pose x, y, yaw (3,) and lead its way, the best aligned first."""
        x, y, yaw = checked(pose, "a pose", None)[:3].tolist()
        off = {}
        for lane in self.holding(np.array([x, y])):
            there = self.centre(lane).project(np.array([x, y]))
            off[lane] = abs(np.mod(yaw - there.yaw + np.pi, 2 * np.pi) - np.pi), abs(there.d)
        aligned = [lane for lane, (turn, _) in off.items() if turn < _ALIGNED]
        return tuple(sorted(aligned, key=lambda lane: off[lane]))

    def holding(self, points: ArrayLike) -> tuple[int, ...]:
        """The lanes that hold any of the points (..., 2)."""
        if self._polygons is None:
            return ()
        found = np.unique(self._polygons.holding(points))
        return tuple(self.ids[index] for index in found[found >= 0])

    def onward(self, lane: int, length_m: float) -> tuple[int, ...]:
        """The lanes after `lane`, always the straightest, until they are `length_m` long or end."""
        way: list[int] = []
        left = length_m
        while left > 0 and (after := self.road.lanes[lane].successors):
            lane = min(after, key=self._turn)
            if lane in way:
                break
            way.append(lane)
            left -= self.centre(lane).length
        return tuple(way)

    def _turn(self, lane: int) -> float:
        """How much a lane bends, in rad."""
        return float(np.abs(np.diff(np.unwrap(self.centre(lane).yaw))).sum())

    @cached_property
    def _polygons(self) -> Polygons | None:
        return Polygons([self.road.lanes[lane].polygon for lane in self.ids]) if self.ids else None
