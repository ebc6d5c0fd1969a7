"""Poses to the commands of a car: /plan and /odom to /drive, by the tracker."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.bridges.messages import actions_of
from wm_planner.driving.bridges.ego_estimate import EgoEstimate
from wm_planner.driving.bridges.messages import drive_message, from_ego_frame, standstill_message
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.braking import standstill_command
from wm_planner.driving.vehicle.tracker import Reference, Tracker
from wm_planner.driving.vehicle.vehicle import VEHICLES, VehicleName
from wm_planner.messaging import messages as m

_POSES_KEPT = 50  # of the ego, for plans that arrive late


class AckermannControl:
    """Tracks the poses of a plan with a car; see `bridges.controllers.Controller`."""

    state_topic, command_topic = "/odom", "/drive"
    reports_action, executed = False, None

    class Config(config.Config, frozen=True, kw_only=True):
        """Which car is driven.

        Attributes:
            vehicle: its parameters.
            tracker: turns poses into commands.
        """

        vehicle: VehicleName = "bmw_320i"
        tracker: Tracker.Config = Tracker.Config()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.vehicle = VEHICLES[config.vehicle]
        self._estimate = EgoEstimate(self.vehicle)
        self.reset()

    def reset(self) -> None:
        self._estimate.reset()
        self._poses: OrderedDict[int, NDArray[np.float64]] = OrderedDict()
        self._tracked: tuple[tuple[int, int], Reference, Tracker] | None = None
        self._steering_angle: float | None = None

    def fault(self, state: m.Message) -> str:
        pose, twist = state.pose.pose, state.twist.twist
        numbers = (pose.position.x, pose.position.y, pose.orientation.z, pose.orientation.w)
        measured = (*numbers, twist.linear.x, twist.angular.z)
        return "" if np.isfinite(measured).all() else "the measured pose or speed is not finite"

    def observe(self, state: m.Message) -> None:
        self._poses[m.stamp_ns(state)] = self._estimate.observe(state)[:3].copy()
        while len(self._poses) > _POSES_KEPT:
            self._poses.popitem(last=False)

    def command(self, plan: m.Message, step: int) -> m.Message:
        if m.stamp_ns(plan) not in self._poses:  # planned from an observation before this process began
            return self.stop(plan.dt_s)
        reference, tracker = self._reference(plan)
        command = tracker.commands(self._estimate.state[None], reference, step)[0]
        return self._drive(command, plan.dt_s)

    def stop(self, period_s: float) -> m.Message:
        """Brake to a standstill, with the front wheels as they are."""
        return self._drive(standstill_command(float(self._estimate.state[SPEED]), period_s), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """Brake to a standstill whatever the speed is, with the front wheels as they were last commanded."""
        if self._steering_angle is None:
            return None
        return standstill_message(self._steering_angle, stamp_ns)

    @property
    def figures(self) -> dict[str, str]:
        return {}

    def _reference(self, plan: m.Message) -> tuple[Reference, Tracker]:
        """What a plan asks for; computed once per plan."""
        key = plan.id, m.stamp_ns(plan)
        if self._tracked is None or self._tracked[0] != key:
            tracker = Tracker(self.config.tracker, self.vehicle, plan.dt_s)
            poses = from_ego_frame(actions_of(plan), self._poses[m.stamp_ns(plan)])
            self._tracked = key, tracker.reference(poses[None]), tracker
        return self._tracked[1:]

    def _drive(self, command: NDArray[np.float64], period_s: float) -> m.Message:
        stamp_ns = self._estimate.stamp_ns or 0
        message = drive_message(self._estimate.state, command, period_s, stamp_ns)
        self._estimate.follow(message, period_s)
        self._steering_angle = float(message.drive.steering_angle)
        return message
