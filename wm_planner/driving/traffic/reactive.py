"""Reactive agents: vehicles that follow their recorded paths with the IDM.

As in nuPlan's reactive simulation, they follow whatever overlaps their path ahead and stop at red lights,
while pedestrians, cyclists and vehicles that never move replay the recording. nuPlan's agents follow lanes
only; these follow their recorded path and then the lanes, so that recorded cut-ins and merges still take
place. Agents that appear during the recording enter if their place is free, and leave at the end of their
path.
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

_CENTRED_M = 0.3  # offset from the path below which a driver considers the next lane change
_MIN_TRAVEL_M = 0.05  # least distance per step for the direction of motion in a lane change


class ReactiveAgents:
    """Agents that react to the ego and to each other."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Driver models.

        Attributes:
            idm: car following; its `speed` is the desired speed of agents that were recorded slower.
            lane_changes: lane-change model; None for no lane changes, as in nuPlan.
            decide_every: steps between two lane-change decisions.
            lateral_speed: during a lane change, in m/s.
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
        self._first_steps = [int(np.flatnonzero(valid)[0]) for valid in self.tracks.valid]
        static = ObstacleBoxes.from_scenario(replace(scenario, tracks=empty_tracks(), occupancies=()), 0, 1)
        self._static_boxes = oriented_boxes(static.states[0], static.sizes)

    def initial_state(self, step: int) -> TrafficState:
        states = self.tracks.at(step)[0].copy()
        present = np.flatnonzero(np.isfinite(states[:, X])).tolist()
        drivers = {row: self._driver(row, states[row]) for row in present if row in self._paths}
        return TrafficState(step, states, drivers)

    def next_state(self, state: TrafficState, ego: Floats) -> TrafficState:
        step, states = state.step + 1, self.tracks.at(state.step + 1)[0].copy()
        states[list(self._paths)] = np.nan  # reactive agents do not replay their recording
        surroundings = self._surroundings(state, ego)
        mobil = self.config.lane_changes
        drivers = self._change_lanes(state, surroundings, mobil) if mobil else state.memory
        moved = self._advance(state, drivers, surroundings)
        kept = {row: driver for row, (driver, _) in moved.items() if driver.s <= driver.path.end_s}
        for row, driver in kept.items():
            states[row] = self._agent_state(drivers[row], driver, moved[row][1])
        return TrafficState(step, states, kept | self._spawn(step, states, ego))

    def _path(self, row: int) -> Path | None:
        if self.tracks.kinds[row] not in REACTIVE_KINDS:
            return None
        recording = self.tracks.states[row, self.tracks.valid[row]]
        return recorded_path(recording, self._lanes, self.config.idm.speed)

    def _driver(self, row: int, state: Floats) -> DriverState:
        path = self._paths[row]
        at = path.line.project(state[:2])
        return DriverState(path, float(at.s), float(at.d))

    def _surroundings(self, state: TrafficState, ego: Floats) -> Surroundings:
        """Agents, the ego and static obstacles."""
        agents = oriented_boxes(state.states, self.tracks.sizes)
        return Surroundings(
            np.concatenate([agents, ego[None, :5], self._static_boxes]),
            np.concatenate([state.states[:, SPEED], ego[5:], np.zeros(len(self._static_boxes))]),
        )

    def _advance(
        self, state: TrafficState, drivers: dict[int, DriverState], surroundings: Surroundings
    ) -> dict[int, tuple[DriverState, float]]:
        """All drivers one step later, and their speeds in m/s, by row."""
        if not drivers:
            return {}
        rows = list(drivers)
        leaders = np.array([self._leader(state.step, row, drivers[row], surroundings) for row in rows])
        speed = state.states[rows, SPEED]
        target = [
            drivers[row].path.target_speed(drivers[row].s, v) for row, v in zip(rows, speed, strict=True)
        ]
        acceleration = self.config.idm.accelerations(speed, leaders[:, 0], leaders[:, 1], target)
        s, next_speed = advance([driver.s for driver in drivers.values()], speed, acceleration, self._dt)
        lateral = self.config.lateral_speed * self._dt
        d = [driver.d - min(max(driver.d, -lateral), lateral) for driver in drivers.values()]
        return {
            row: (DriverState(drivers[row].path, *position), v)
            for row, position, v in zip(
                rows, zip(s.tolist(), d, strict=True), next_speed.tolist(), strict=True
            )
        }

    def _leader(
        self, step: int, row: int, driver: DriverState, surroundings: Surroundings
    ) -> tuple[float, float]:
        """The gap to the next vehicle, obstacle or closed stop line in m, and its speed in m/s."""
        length, width = self.tracks.sizes[row]
        boxes = surroundings.in_frenet(driver.path, row)
        gap, speed = boxes.leader(driver.s, length / 2, width / 2, driver.d)
        front_s, own_speed = driver.s + length / 2, float(surroundings.speeds[row])
        red_gap = distance_to_red_light(driver.path, front_s, own_speed, self._lights, step)
        return (red_gap, 0.0) if red_gap < gap else (gap, speed)

    def _change_lanes(
        self, state: TrafficState, surroundings: Surroundings, mobil: MOBIL
    ) -> dict[int, DriverState]:
        """The drivers after the lane-change decisions that are due at this step."""
        drivers: dict[int, DriverState] = dict(state.memory)
        for row, driver in drivers.items():
            if (state.step + row) % self.config.decide_every == 0 and abs(driver.d) < _CENTRED_M:
                decision = LaneChangeDecision(mobil, self.config.idm, self._lane_paths, surroundings, row)
                drivers[row] = decision.decide(driver, state.states[row])
        return drivers

    def _agent_state(self, before: DriverState, driver: DriverState, speed: float) -> Floats:
        """The state (4,) of a driver; during a lane change the yaw points along the motion."""
        pose = driver.path.line.poses(driver.s, driver.d)
        turn = np.arctan2(driver.d - before.d, max(driver.s - before.s, _MIN_TRAVEL_M))
        return np.array([*pose[:2], pose[2] + turn, speed])

    def _spawn(self, step: int, states: Floats, ego: Floats) -> dict[int, DriverState]:
        """Drivers first recorded at this step, where their place is free; adds them to `states` in place."""
        drivers = {}
        for row in self._paths:
            if self._first_steps[row] != step:
                continue
            state = self.tracks.states[row, step]
            occupied = np.concatenate([oriented_boxes(states, self.tracks.sizes), ego[None, :5]])
            if not overlap(oriented_boxes(state, self.tracks.sizes[row]), occupied).any():
                states[row], drivers[row] = state, self._driver(row, state)
        return drivers
