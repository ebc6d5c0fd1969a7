"""Lane-following motion prediction: agents keep their velocity along their lane, also through bends ahead."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.traffic.agent_paths import centre_points, lane_at

Floats = NDArray[np.float64]

_MAX_OFFSET_M, _MAX_HEADING_ERROR = 1.75, 0.35  # m, rad: agents farther off the lane's line do not follow it
_KEEPING, _LEAVING = 0.2, 0.4  # rad/s, difference of yaw rate between an agent and its lane
_MIN_SPEED = 0.5  # m/s; the direction of slower agents is unreliable
_EXTENSION_M = 200.0  # straight continuation beyond the last lane


class LaneFollowingForecaster:
    """Predicts agents that keep to their lane; called at every tick of one drive.

    An agent counts as lane-keeping once its yaw rate agrees with the lane's curvature, until it clearly
    differs.

    Args:
        lanes: of the road.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._lines: dict[int, Centreline] = {}
        self._current_lines: dict[int, Centreline] = {}
        self._lane_keeping: set[int] = set()

    def forecast(
        self, object_ids: NDArray[np.int64], states: Floats, yaw_rates: Floats, dt: float, steps: int
    ) -> Floats:
        """States (steps + 1, A, 4) of agents that keep their velocity in their lane's frame.

        All other agents are NaN.

        Args:
            object_ids: ids of the agents, (A,).
            states: current x, y, yaw, v, (A, 4); NaN where absent.
            yaw_rates: (A,), in rad/s.
            dt: step duration, in s.
        """
        forecast = np.full((steps + 1, *states.shape), np.nan)
        time = dt * np.arange(steps + 1)
        for row, (object_id, state) in enumerate(zip(object_ids.tolist(), states, strict=True)):
            if not state[SPEED] > _MIN_SPEED or (line := self._lane_line(object_id, state)) is None:
                continue
            at = line.project(state[:2])
            yaw_rate_error = abs(yaw_rates[row] - state[SPEED] * line.curvature(at.s))
            if yaw_rate_error > _LEAVING:
                self._lane_keeping.discard(object_id)
            elif yaw_rate_error < _KEEPING:
                self._lane_keeping.add(object_id)
            if object_id in self._lane_keeping:
                heading = wrap_to_pi(state[YAW] - at.yaw)
                s_rate, d_rate = state[SPEED] * np.cos(heading), state[SPEED] * np.sin(heading)
                forecast[:, row, :3] = line.poses(at.s + s_rate * time, at.d + d_rate * time)
                forecast[:, row, YAW] += heading
                forecast[:, row, SPEED] = state[SPEED]
        return forecast

    def _lane_line(self, object_id: int, state: Floats) -> Centreline | None:
        """The centre line of the lane an agent follows; its previous lane as long as it stays on it."""
        line = self._current_lines.get(object_id)
        if line is None or not _is_along(line, state):
            lane = lane_at(self._lanes, state[:3])
            if lane == NO_LANE:
                return None
            if lane not in self._lines:
                centre = Centreline(centre_points(self._lanes, lane))
                self._lines[lane] = centre.extended(after_m=_EXTENSION_M)
            line = self._lines[lane]
            if not _is_along(line, state):
                return None
            self._current_lines[object_id] = line
        return line


def _is_along(line: Centreline, state: Floats) -> bool:
    at = line.project(state[:2])
    return bool(abs(at.d) < _MAX_OFFSET_M and abs(wrap_to_pi(state[YAW] - at.yaw)) < _MAX_HEADING_ERROR)
