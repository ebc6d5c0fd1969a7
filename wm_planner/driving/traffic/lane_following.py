"""Where agents will be if they go on along their lanes, as they do now: round bends that are still ahead."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.traffic.agent_paths import centre_points, lane_at

Floats = NDArray[np.float64]

_BESIDE_M, _ASKEW = 1.75, 0.35  # m and rad, from the line of a lane: who is farther is not on its way
_AGREEING, _LEAVING = 0.2, 0.4  # rad/s, between how an agent turns and how its lane does
_LEAST_SPEED = 0.5  # m/s; who is slower shows no way
_STRAIGHT_M = 200.0  # on after the last lane


class LaneFollowing:
    """Who keeps to which lane; asked at every tick of one drive.

    Args:
        lanes: of the road.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._lines: dict[int, Centreline] = {}
        self._on: dict[int, Centreline] = {}
        self._keeps: set[int] = set()

    def forecast(
        self, bodies: NDArray[np.int64], states: Floats, turns: Floats, dt: float, steps: int
    ) -> Floats:
        """States (steps + 1, A, 4) of agents that keep their velocity as their lanes see it; NaN for others.

        Args:
            bodies: a number for each agent, (A,).
            states: x, y, yaw, v now, (A, 4); NaN for the absent.
            turns: yaw rates, (A,), in rad/s.
        """
        found = np.full((steps + 1, *states.shape), np.nan)
        time = dt * np.arange(steps + 1)
        for row, (body, state) in enumerate(zip(bodies.tolist(), states, strict=True)):
            if state[SPEED] > _LEAST_SPEED and (line := self._line(body, state)) is not None:
                at = line.project(state[:2])
                askew = wrap_to_pi(state[YAW] - at.yaw)
                apart = abs(turns[row] - state[SPEED] * line.curvature(at.s))
                if apart > _LEAVING:
                    self._keeps.discard(body)
                elif apart < _AGREEING:
                    self._keeps.add(body)
                if body in self._keeps:
                    along, across = state[SPEED] * np.cos(askew), state[SPEED] * np.sin(askew)
                    found[:, row, :3] = line.poses(at.s + along * time, at.d + across * time)
                    found[:, row, YAW] += askew
                    found[:, row, SPEED] = state[SPEED]
        return found

    def _line(self, body: int, state: Floats) -> Centreline | None:
        """The line of the lane that an agent is on, the one it was on before if it still is."""
        line = self._on.get(body)
        if line is None or not _is_along(line, state):
            lane = lane_at(self._lanes, state[:3])
            if lane == NO_LANE:
                return None
            if lane not in self._lines:
                self._lines[lane] = Centreline(centre_points(self._lanes, lane)).extended(after_m=_STRAIGHT_M)
            line = self._lines[lane]
            if not _is_along(line, state):
                return None
            self._on[body] = line
        return line


def _is_along(line: Centreline, state: Floats) -> bool:
    at = line.project(state[:2])
    return bool(abs(at.d) < _BESIDE_M and abs(wrap_to_pi(state[YAW] - at.yaw)) < _ASKEW)
