"""Whether a driver among others should go over to the next lane, as MOBIL tells."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import LENGTH, WIDTH
from wm_planner.driving.map.frenet_boxes import FrenetBoxes
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.traffic.agent_paths import Path, lane_at, lane_path
from wm_planner.driving.traffic.car_following import IDM, MOBIL

Floats = NDArray[np.float64]

NEAR_M = 120.0
"""Nobody farther away is anybody's leader or follower."""


class DriverState(NamedTuple):
    """What an agent that reacts remembers.

    Attributes:
        path: its way.
        s: arc length of its centre, in m.
        d: offset to the left, in m; it is brought to 0.
    """

    path: Path
    s: float
    d: float


class Surroundings(NamedTuple):
    """All that may be in the way, M boxes.

    Attributes:
        boxes: (M, 5); agents come first, by row.
        speeds: (M,), along their yaw, in m/s.
    """

    boxes: Floats
    speeds: Floats

    def corridor(self, path: Path, row: int) -> FrenetBoxes:
        """How all but the agent of a row are seen from a path near it."""
        away = np.square(self.boxes[:, :2] - self.boxes[row, :2]).sum(axis=1)
        near = away < NEAR_M * NEAR_M  # absent ones, NaN, are not
        near[row] = False
        return FrenetBoxes.from_boxes(path.line, self.boxes[near], self.speeds[near])


class LanePathCache:
    """The paths along a road's lanes, each made once."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self._made: dict[int, Path] = {}

    def along(self, lane: int, likes: float) -> Path:
        """The path along a lane by index, of who likes that speed, in m/s."""
        if lane not in self._made:
            self._made[lane] = lane_path(lane, self.lanes)
        return replace(self._made[lane], desired_speed=likes)


class LaneChangeDecision:
    """The choice of the agent of one row among its lane and those beside it."""

    def __init__(self, mobil: MOBIL, idm: IDM, paths: LanePathCache, around: Surroundings, row: int) -> None:
        self.mobil, self.idm, self.paths, self.around, self.row = mobil, idm, paths, around, row
        self.speed = float(around.speeds[row])
        self.half = (float(around.boxes[row, LENGTH]) / 2, float(around.boxes[row, WIDTH]) / 2)

    def best(self, driver: DriverState, state: Floats) -> DriverState:
        """The driver as it is, or on the path of the first lane beside it that pays; left comes first."""
        own, old = self._effects(driver.path, driver.s)
        for path in self._beside(state, driver.path.desired_speed):
            there = path.line.project(state[:2])
            after, new = self._effects(path, float(there.s))
            if self.mobil.should_change((own, after), new, old[::-1]):
                return DriverState(path, float(there.s), float(there.d))
        return driver

    def _beside(self, state: Floats, likes: float) -> Iterator[Path]:
        """The paths along the lanes on either side of where a state is."""
        lanes = self.paths.lanes
        lane = lane_at(lanes, state)
        if lane == NO_LANE:
            return
        neighbours = (lanes[lane].left_neighbour, lanes[lane].right_neighbour)
        ids = [beside.id for beside in neighbours if beside is not None and beside.same_direction]
        for beside in lanes.indices(ids):
            yield self.paths.along(beside, likes)

    def _effects(self, path: Path, s: float) -> tuple[float, tuple[float, float]]:
        """Accelerations of this agent on a path at s, and of its follower there, without and with it."""
        corridor = self.around.corridor(path, self.row)
        own = self._pull(path, s, self.speed, corridor.leader(s, *self.half))
        behind = corridor.follower(s, *self.half)
        if behind is None:
            return own, (0.0, 0.0)
        at, speed = float(corridor.s[behind]), float(corridor.speed[behind])
        half = float(corridor.half_length[behind])
        free = corridor.leader(at, half, float(corridor.half_width[behind]), float(corridor.d[behind]))
        gap = s - at - half - self.half[0]
        return own, (self._pull(path, at, speed, free), self._pull(path, at, speed, (gap, self.speed)))

    def _pull(self, path: Path, s: float, speed: float, leader: tuple[float, float]) -> float:
        return float(
            self.idm.accelerations(max(speed, 0.0), *leader, desired_speed=path.target_speed(s, speed))
        )
