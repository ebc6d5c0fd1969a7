"""Stops on the lane: steering along the path of a plan while a car brakes to a standstill."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.compiled import numpy_only
from wm_planner.driving.geometry.state_columns import SPEED, X, Y
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.tracker import Tracker

Floats = NDArray[np.float64]

_SPACING_M = 0.1  # of the poses that are kept: closer ones tell no direction
_BEYOND_M = 1000.0  # of the path, straight on


class LaneStop:
    """A path by arc length, which is tracked at whatever speed a braking car still has.

    Args:
        tracker: of the car.
        poses: x, y, yaw of the rear axle along the path, (T, 3); straight on past the last one.
    """

    def __init__(self, tracker: Tracker, poses: Floats) -> None:
        self._tracker = tracker
        kept = _apart(poses)
        yaw = np.unwrap(kept[:, 2])
        end = kept[-1, :2] + _BEYOND_M * np.array([np.cos(yaw[-1]), np.sin(yaw[-1])])
        self._line = Centreline(np.concatenate([kept[:, :2], end[None]]))
        self._yaw = np.append(yaw, yaw[-1])

    def steering_rate(self, state: Floats) -> float:
        """The steering rate in rad/s for a car that brakes from a state (6,)."""
        tracker = self._tracker
        reference = tracker.reference(self._braking_poses(state)[None])
        return float(tracker.commands(state[None], reference, 0)[0, 1])

    def _braking_poses(self, state: Floats) -> Floats:
        """Where the car is to be from now on, (horizon + 1, 3)."""
        dt, steps = self._tracker.dt, self._tracker.config.horizon
        speed = np.maximum(abs(state[SPEED]) - EMERGENCY_BRAKE * dt * np.arange(steps + 1), 0.0)
        distance = np.concatenate([[0.0], np.cumsum(dt * (speed[:-1] + speed[1:]) / 2)])
        line = self._line
        with numpy_only():  # a stop does not wait for numba to be imported
            s = float(line.project(state[[X, Y]]).s) + distance
        x, y = (np.interp(s, line.s, line.points[:, axis]) for axis in (0, 1))
        return np.stack([x, y, np.interp(s, line.s, self._yaw)], axis=-1)


def _apart(poses: Floats) -> Floats:
    """The first pose, and each that is at least _SPACING_M from the one kept before it."""
    kept = [poses[0]]
    for pose in poses[1:]:
        if np.hypot(*(pose[:2] - kept[-1][:2])) >= _SPACING_M:
            kept.append(pose)
    return np.array(kept)
