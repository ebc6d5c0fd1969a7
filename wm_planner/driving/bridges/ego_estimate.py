"""The ego's state from odometry and from the commands that it was given."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.bridges.messages import command_of, ego_state_of
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.vehicle import STEERING, Vehicle
from wm_planner.messaging import messages as m


class EgoEstimate:
    """Follows the state (6,) of a vehicle at its rear axle; its acceleration is in no odometry.

    Attributes:
        state: at the odometry observed last.
        stamp_ns: of that odometry; None before the first.
    """

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new drive begins."""
        self.state: NDArray[np.float64] = np.zeros(6)
        self.stamp_ns: int | None = None
        self._unseen = np.zeros(2)  # acceleration and steering, as the last command left them

    def observe(self, odometry: m.Message) -> NDArray[np.float64]:
        """The state at an odometry message: where the yaw rate does not tell the steering, as it was left."""
        state = self._vehicle.at_rear_axle(np.concatenate([ego_state_of(odometry), self._unseen]))
        turn = odometry.twist.twist.angular.z
        state[STEERING] = self._vehicle.steering_for_yaw_rate(turn, state[SPEED], default=state[STEERING])
        self.state, self.stamp_ns = state, m.stamp_ns(odometry)
        return state

    def follow(self, drive: m.Message, dt_s: float) -> None:
        """Take in the command given at the state observed last, which acts for `dt_s`."""
        command = command_of(drive, self.state, dt_s)
        self._unseen = self._vehicle.step(self.state, command, dt_s)[4:]
