"""Lane-change decisions of reactive agents with MOBIL."""

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
"""Vehicles farther away are neither leader nor follower."""


class DriverState(NamedTuple):
    """Internal state of a reactive agent.

    Attributes:
        path: the path it follows.
        s: arc length of its centre, in m.
        d: offset to the left of the path in m, which it reduces to 0.
    """

    path: Path
    s: float
    d: float


class Surroundings(NamedTuple):
    """Boxes of all agents and obstacles, M of them.

    Attributes:
        boxes: (M, 5), the agents first, in the order of their rows.
        speeds: along the boxes' yaw, (M,), in m/s.
    """

    boxes: Floats
    speeds: Floats

    def in_frenet(self, path: Path, row: int) -> FrenetBoxes:
        """All boxes near the agent of a row, without its own, in the Frenet frame of a path."""
        squared_distance = np.square(self.boxes[:, :2] - self.boxes[row, :2]).sum(axis=1)
        near = squared_distance < NEAR_M * NEAR_M  # False for absent agents, whose distance is NaN
        near[row] = False
        return FrenetBoxes.from_boxes(path.line, self.boxes[near], self.speeds[near])


class LanePathCache:
    """Paths along the lanes of a road, each built once."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self._paths: dict[int, Path] = {}

    def path(self, lane: int, desired_speed: float) -> Path:
        """The path along a lane, by index, for an agent with a desired speed in m/s."""
        if lane not in self._paths:
            self._paths[lane] = lane_path(lane, self.lanes)
        return replace(self._paths[lane], desired_speed=desired_speed)


class LaneChangeDecision:
    """The decision of the agent of one row between its lane and the adjacent ones."""

    def __init__(
        self, mobil: MOBIL, idm: IDM, paths: LanePathCache, surroundings: Surroundings, row: int
    ) -> None:
        self.mobil, self.idm, self.paths, self.surroundings, self.row = mobil, idm, paths, surroundings, row
        self.speed = float(surroundings.speeds[row])
        length, width = surroundings.boxes[row, LENGTH], surroundings.boxes[row, WIDTH]
        self.half_size = (float(length) / 2, float(width) / 2)

    def decide(self, driver: DriverState, state: Floats) -> DriverState:
        """The driver on the first adjacent path that MOBIL accepts, left before right; else unchanged.

        Args:
            state: x, y, yaw, v of the agent, (4,).
        """
        own_before, old_follower = self._accelerations(driver.path, driver.s)
        for path in self._adjacent_paths(state, driver.path.desired_speed):
            start = path.line.project(state[:2])
            own_after, new_follower = self._accelerations(path, float(start.s))
            if self.mobil.should_change((own_before, own_after), new_follower, old_follower[::-1]):
                return DriverState(path, float(start.s), float(start.d))
        return driver

    def _adjacent_paths(self, state: Floats, desired_speed: float) -> Iterator[Path]:
        """Paths along the lanes adjacent to the one at a state."""
        lanes = self.paths.lanes
        lane = lane_at(lanes, state)
        if lane == NO_LANE:
            return
        for index in lanes.neighbours(lane):
            yield self.paths.path(index, desired_speed)

    def _accelerations(self, path: Path, s: float) -> tuple[float, tuple[float, float]]:
        """IDM accelerations of this agent at `s` of a path, and of its follower there without and with it."""
        traffic = self.surroundings.in_frenet(path, self.row)
        own = self._idm_acceleration(path, s, self.speed, traffic.leader(s, *self.half_size))
        follower = traffic.follower(s, *self.half_size)
        if follower is None:
            return own, (0.0, 0.0)
        follower_s, speed = float(traffic.s[follower]), float(traffic.speed[follower])
        half_length, half_width = float(traffic.half_length[follower]), float(traffic.half_width[follower])
        leader = traffic.leader(follower_s, half_length, half_width, float(traffic.d[follower]))
        gap = s - follower_s - half_length - self.half_size[0]
        without = self._idm_acceleration(path, follower_s, speed, leader)
        behind = self._idm_acceleration(path, follower_s, speed, (gap, self.speed))
        return own, (without, behind)

    def _idm_acceleration(self, path: Path, s: float, speed: float, leader: tuple[float, float]) -> float:
        target_speed = path.target_speed(s, speed)
        return float(self.idm.accelerations(max(speed, 0.0), *leader, desired_speed=target_speed))
