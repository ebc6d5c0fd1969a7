"""Agents that react: vehicles keep to their recorded ways, but drive them as the IDM tells.

As in nuPlan's reactive simulation, whoever overlaps the way ahead is followed, red lights stop, and all that
is no vehicle, or never moves, stays as recorded. Ways are the recorded ones and go on along the lanes, where
nuPlan has lanes alone; so cut-ins and merges stay what they are. Agents that were seen later enter when their
place is free, and leave where their way ends.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
from wm_planner.driving.geometry.state_columns import SPEED, X
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import empty_tracks
from wm_planner.driving.traffic.agent_paths import Path, distance_to_red_light, recorded_path
from wm_planner.driving.traffic.agents import TrafficState
from wm_planner.driving.traffic.car_following import IDM, MOBIL, advance
from wm_planner.driving.traffic.lane_changes import (
    DriverState,
    LaneChangeDecision,
    LanePathCache,
    Surroundings,
)

Floats = NDArray[np.float64]

REACTIVE_KINDS = frozenset({"car", "truck", "bus", "taxi", "priorityVehicle", "motorcycle"})
"""Kinds of agents that react."""

_SETTLED_M = 0.3  # beside its path, from which on a driver thinks of the next lane change
_LEAST_WAY_M = 0.05  # a step, for the direction of a lane change


class ReactiveAgents:
    """Agents that react to the ego and to each other."""

    class Config(config.Config, frozen=True, kw_only=True):
        """How they drive.

        Attributes:
            idm: along the way; `speed` is what they like where they were not seen to drive faster.
            lane_changes: when they change lanes; None for never, as in nuPlan.
            decide_every: steps between two thoughts about changing lanes.
            lateral_speed: of a lane change, in m/s.
        """

        idm: IDM = IDM()
        lane_changes: MOBIL | None = None
        decide_every: config.Positive = 10
        lateral_speed: float = 1.2

    def __init__(self, config: Config, scenario: Scenario) -> None:
        self.config = config
        self.tracks = scenario.tracks
        self._lights = scenario.road.lights
        self._dt = scenario.dt
        self._lanes = Lanes(scenario.road)
        self._lane_paths = LanePathCache(self._lanes)
        self._paths = {row: path for row in range(len(self.tracks.ids)) if (path := self._path(row))}
        self._first = [int(np.flatnonzero(seen)[0]) for seen in self.tracks.valid]
        standing = ObstacleBoxes.from_scenario(replace(scenario, tracks=empty_tracks(), occupancies=()), 0, 1)
        self._standing = oriented_boxes(standing.states[0], standing.sizes)

    def initial_state(self, step: int) -> TrafficState:
        states = self.tracks.at(step)[0].copy()
        present = np.flatnonzero(np.isfinite(states[:, X])).tolist()
        return TrafficState(
            step, states, {r: self._driver(r, states[r]) for r in present if r in self._paths}
        )

    def next_state(self, now: TrafficState, ego: Floats) -> TrafficState:
        step, states = now.step + 1, self.tracks.at(now.step + 1)[0].copy()
        states[list(self._paths)] = np.nan  # these do not drive as recorded
        around = self._around(now, ego)
        mobil = self.config.lane_changes
        drivers = self._decided(now, around, mobil) if mobil else now.memory
        moved = self._moved(now, drivers, around)
        kept = {row: driver for row, (driver, _) in moved.items() if driver.s <= driver.path.end_s}
        for row, driver in kept.items():
            states[row] = self._state(drivers[row], driver, moved[row][1])
        return TrafficState(step, states, kept | self._entered(step, states, ego))

    def _path(self, row: int) -> Path | None:
        if self.tracks.kinds[row] not in REACTIVE_KINDS:
            return None
        seen = self.tracks.states[row, self.tracks.valid[row]]
        return recorded_path(seen, self._lanes, self.config.idm.speed)

    def _driver(self, row: int, state: Floats) -> DriverState:
        path = self._paths[row]
        there = path.line.project(state[:2])
        return DriverState(path, float(there.s), float(there.d))

    def _around(self, now: TrafficState, ego: Floats) -> Surroundings:
        """Agents, the ego and what stands."""
        agents = oriented_boxes(now.states, self.tracks.sizes)
        return Surroundings(
            np.concatenate([agents, ego[None, :5], self._standing]),
            np.concatenate([now.states[:, SPEED], ego[5:], np.zeros(len(self._standing))]),
        )

    def _moved(
        self, now: TrafficState, drivers: dict[int, DriverState], around: Surroundings
    ) -> dict[int, tuple[DriverState, float]]:
        """All drivers one step later, and their speeds."""
        if not drivers:
            return {}
        rows = list(drivers)
        ahead = np.array([self._ahead(now.step, row, drivers[row], around) for row in rows])
        speed = now.states[rows, SPEED]
        wanted = [
            drivers[row].path.target_speed(drivers[row].s, v) for row, v in zip(rows, speed, strict=True)
        ]
        pull = self.config.idm.accelerations(speed, ahead[:, 0], ahead[:, 1], wanted)
        s, after = advance([driver.s for driver in drivers.values()], speed, pull, self._dt)
        aside = self.config.lateral_speed * self._dt
        offsets = [driver.d - min(max(driver.d, -aside), aside) for driver in drivers.values()]
        places = zip(s.tolist(), offsets, after.tolist(), strict=True)
        return {
            row: (DriverState(drivers[row].path, way, offset), fast)
            for row, (way, offset, fast) in zip(rows, places, strict=True)
        }

    def _ahead(self, step: int, row: int, driver: DriverState, around: Surroundings) -> tuple[float, float]:
        """The gap to whom or what a driver has to keep behind, and its speed."""
        length, width = self.tracks.sizes[row]
        gap, speed = around.corridor(driver.path, row).leader(driver.s, length / 2, width / 2, driver.d)
        front_s, own = driver.s + length / 2, float(around.speeds[row])
        free = distance_to_red_light(driver.path, front_s, own, self._lights, step)
        return (free, 0.0) if free < gap else (gap, speed)

    def _decided(self, now: TrafficState, around: Surroundings, mobil: MOBIL) -> dict[int, DriverState]:
        """The drivers, some of them on the path of another lane."""
        drivers: dict[int, DriverState] = dict(now.memory)
        for row, driver in drivers.items():
            if (now.step + row) % self.config.decide_every == 0 and abs(driver.d) < _SETTLED_M:
                choice = LaneChangeDecision(mobil, self.config.idm, self._lane_paths, around, row)
                drivers[row] = choice.best(driver, now.states[row])
        return drivers

    def _state(self, before: DriverState, driver: DriverState, speed: float) -> Floats:
        """Where a driver is, (4,); in a lane change it points to where it goes."""
        pose = driver.path.line.poses(driver.s, driver.d)
        turn = np.arctan2(driver.d - before.d, max(driver.s - before.s, _LEAST_WAY_M))
        return np.array([*pose[:2], pose[2] + turn, speed])

    def _entered(self, step: int, states: Floats, ego: Floats) -> dict[int, DriverState]:
        """Put those who are first seen at a step into `states`, where nobody is; they are drivers now."""
        drivers = {}
        for row in self._paths:
            if self._first[row] != step:
                continue
            state = self.tracks.states[row, step]
            others = np.concatenate([oriented_boxes(states, self.tracks.sizes), ego[None, :5]])
            if not overlap(oriented_boxes(state, self.tracks.sizes[row]), others).any():
                states[row], drivers[row] = state, self._driver(row, state)
        return drivers
