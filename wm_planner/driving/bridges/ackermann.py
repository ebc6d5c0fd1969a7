"""Poses to the commands of a car: /plan and /odom to /drive, by the tracker."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.bridges.messages import actions_of
from wm_planner.clock import seconds
from wm_planner.driving.bridges.ego_estimate import EgoEstimate
from wm_planner.driving.bridges.messages import (
    EGO_FRAME,
    POSES,
    drive_message,
    ego_state_of,
    from_ego_frame,
    set_point_message,
    standstill_message,
)
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.braking import standstill_command
from wm_planner.driving.vehicle.drive_motion import DriveMotion
from wm_planner.driving.vehicle.lane_stop import LaneStop
from wm_planner.driving.vehicle.tracker import Reference, Tracker
from wm_planner.driving.vehicle.vehicle import VEHICLES, VehicleName
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m

_POSES_KEPT = 50  # of the ego, for plans that arrive late
_STEP_S = (0.01, 1.0)  # time between two poses of a plan
_START_M, _START_RAD = 2.0, 0.5  # how far from the ego the first pose of a plan may be
_MOST = {"x": 1e8, "y": 1e8, "v": 150.0, "yaw_rate": 20.0}  # of odometry that is believed, in m, m/s, rad/s
_ROUNDING_M = 0.5  # that two poses may be farther apart than the top speed allows


class AckermannControl:
    """Tracks the poses of a plan with a car; see `bridges.controllers.Controller`.

    It stops along the path of the last plan that it tracked. Paced, it commands a speed and a steering angle
    at a fixed rate, within `DriveLimits`; otherwise one acceleration and steering rate per step.
    """

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
        self._rate_hz: float | None = None
        self.reset()

    def reset(self) -> None:
        self._estimate.reset()
        self._poses: OrderedDict[int, NDArray[np.float64]] = OrderedDict()
        self._tracked: tuple[tuple[int, int], Reference, Tracker] | None = None
        self._lane_stop: LaneStop | None = None
        self._steering_angle: float | None = None
        self._motion: DriveMotion | None = None
        self._wanted: NDArray[np.float64] | None = None  # None to stop
        self._drive_sent: m.Message = None

    def pace(self, rate_hz: float) -> None:
        """Command set-points at `rate_hz`, by `set_point`, from the first odometry on."""
        self._rate_hz = rate_hz

    def set_point(self, stamp_ns: int) -> m.Message | None:
        """The speed and steering angle of now; None before the first odometry, and after an interruption, in
        which the vehicle has braked by itself, before the next one."""
        motion = self._motion
        if motion is None or self._rate_hz is None:
            return None
        if motion.is_interrupted(stamp_ns):
            self._motion = self._drive_sent = None
            return None
        state, wanted = motion.predict(stamp_ns), self._wanted
        if wanted is None:
            wanted = np.array([motion.brake(), self._stop_steering_rate(state)])
        motion.advance(wanted, stamp_ns, 1 / self._rate_hz)
        self._drive_sent = set_point_message(motion.speed, motion.steering, motion.limits, stamp_ns)
        return self._drive_sent

    def fault(self, state: m.Message) -> str:
        try:
            x, y, _, v = ego_state_of(state)
        except InputError as error:
            return str(error)
        measured = {"x": x, "y": y, "v": v, "yaw_rate": state.twist.twist.angular.z}
        far = [f"{name} is {value:g}" for name, value in measured.items() if abs(value) > _MOST[name]]
        return f"/odom: {', '.join(far)}, which no car on a map can measure" if far else ""

    def observe(self, state: m.Message) -> None:
        estimate, stamp_ns = self._estimate, m.stamp_ns(state)
        if self._drive_sent is not None and estimate.stamp_ns is not None and stamp_ns > estimate.stamp_ns:
            estimate.follow(self._drive_sent, seconds(stamp_ns - estimate.stamp_ns))
        ego = estimate.observe(state)
        self._poses[stamp_ns] = ego[:3].copy()
        while len(self._poses) > _POSES_KEPT:
            self._poses.popitem(last=False)
        if self._motion is not None:
            self._motion.measure(ego, stamp_ns)
        elif self._rate_hz is not None:
            self._motion = DriveMotion(self.vehicle, ego, stamp_ns)

    def command(self, plan: m.Message, step: int) -> m.Message:
        """Track the pose of a step.

        Raises:
            InputError: if the plan is not one of poses that this car can be at, in the ego's frame.
        """
        if m.stamp_ns(plan) not in self._poses:  # planned from an observation before this process began
            return self.stop(plan.dt_s)
        reference, tracker = self._reference(plan)
        self._wanted = tracker.commands(self._estimate.state[None], reference, step)[0]
        return self._drive(self._wanted, plan.dt_s)

    def stop(self, period_s: float) -> m.Message:
        """Brake to a standstill along the path of the last plan; before the first one, with the front wheels
        as they are."""
        state, self._wanted = self._estimate.state, None
        command = standstill_command(float(state[SPEED]), period_s)
        return self._drive(np.array([command[0], self._stop_steering_rate(state)]), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """Brake to a standstill whatever the speed is: paced, along the path of the last plan by dead
        reckoning, otherwise with the front wheels as they were last commanded."""
        self._wanted = None
        if self._rate_hz is not None or self._steering_angle is None:
            return self._drive_sent
        return standstill_message(self._steering_angle, stamp_ns)

    @property
    def figures(self) -> dict[str, str]:
        return {}

    def _reference(self, plan: m.Message) -> tuple[Reference, Tracker]:
        """What a plan asks for; computed once per plan."""
        key = plan.id, m.stamp_ns(plan)
        if self._tracked is None or self._tracked[0] != key:
            tracker = Tracker(self.config.tracker, self.vehicle, plan.dt_s)
            poses = from_ego_frame(self._checked(plan), self._poses[m.stamp_ns(plan)])
            self._tracked, self._lane_stop = (key, tracker.reference(poses[None]), tracker), None
        return self._tracked[1:]

    def _checked(self, plan: m.Message) -> NDArray[np.float64]:
        """The poses (H, 3) of a plan.

        Raises:
            InputError: if they are not poses of this car in the ego's frame.
        """
        names, units = tuple(plan.action_names), tuple(plan.action_units)
        if (names, units) != (POSES.names, POSES.units):
            raise InputError(
                f"/plan {plan.id} holds {list(names)} in {list(units)}, a car follows {list(POSES.names)} "
                f"in {list(POSES.units)}"
            )
        frame, poses = plan.header.frame_id, actions_of(plan).astype(np.float64)
        if frame != EGO_FRAME:
            raise InputError(f"/plan {plan.id} is in the frame {frame!r}, wanted {EGO_FRAME!r}")
        if len(poses) < 2 or not _STEP_S[0] <= plan.dt_s <= _STEP_S[1]:
            raise InputError(
                f"/plan {plan.id} holds {len(poses)} poses, {plan.dt_s:g} s apart: wanted 2 or more, "
                f"{_STEP_S[0]:g} to {_STEP_S[1]:g} s apart"
            )
        start = poses[0]
        if not (np.hypot(start[0], start[1]) <= _START_M and abs(start[2]) <= _START_RAD):
            raise InputError(
                f"/plan {plan.id} begins at {start.round(2).tolist()} in the ego's frame, wanted 0, 0, 0: "
                "the pose of the ego at the plan's stamp"
            )
        farthest = float(np.max(np.hypot(*np.diff(poses[:, :2], axis=0).T)))
        most = self.vehicle.speed_range[1] * plan.dt_s + _ROUNDING_M
        if not farthest <= most:
            raise InputError(
                f"/plan {plan.id} has poses {farthest:.1f} m from each other, this car comes {most:.1f} m "
                f"far in {plan.dt_s:g} s"
            )
        turn = float(np.max(np.abs(np.diff(poses[:, 2]))))
        if not turn <= np.pi:
            raise InputError(
                f"/plan {plan.id} turns by {turn:g} rad from a pose to the next, at most pi are taken"
            )
        return poses

    def _stop_steering_rate(self, state: NDArray[np.float64]) -> float:
        """The steering rate in rad/s of a stop from a state (6,)."""
        if self._tracked is None:
            return 0.0
        if self._lane_stop is None:
            _, reference, tracker = self._tracked
            self._lane_stop = LaneStop(tracker, reference.poses[:, 0])
        return self._lane_stop.steering_rate(state)

    def _drive(self, command: NDArray[np.float64], period_s: float) -> m.Message:
        stamp_ns = self._estimate.stamp_ns or 0
        message = drive_message(self._estimate.state, command, period_s, stamp_ns)
        if self._rate_hz is None:
            self._estimate.follow(message, period_s)
        self._steering_angle = float(message.drive.steering_angle)
        return message
