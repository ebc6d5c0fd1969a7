"""Set-points of a car within limits, and stops along a path."""

import numpy as np
import pytest

from wm_planner.driving.vehicle.drive_motion import SILENCE_S, DriveLimits, DriveMotion
from wm_planner.driving.vehicle.lane_stop import LaneStop
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import BMW_320I, PACIFICA

STEP_NS = 10_000_000


def moving(speed=10.0, steering=0.0, vehicle=BMW_320I):
    return DriveMotion(vehicle, np.array([0.0, 0.0, 0.0, speed, 0.0, steering]), 0)


def advance(motion, count, command=None, start_ns=0):
    """Speeds and steering angles (count + 1, 2) of set-points, and the time of the last one."""
    points, stamp_ns = [(motion.speed, motion.steering)], start_ns
    for _ in range(count):
        stamp_ns += STEP_NS
        motion.predict(stamp_ns)
        motion.advance(np.array([motion.brake(), 0.0]) if command is None else command, stamp_ns, 0.01)
        points.append((motion.speed, motion.steering))
    return np.array(points), stamp_ns


@pytest.mark.parametrize("command", [(50.0, 9.0), (-50.0, -9.0), (np.inf, np.nan)])
def test_set_points_keep_acceleration_jerk_and_steering_rate(command):
    motion = moving()
    points, _ = advance(motion, 30, np.array(command))
    acceleration, rate = (np.diff(points, axis=0) / 0.01).T
    limits = DriveLimits.of(BMW_320I)
    assert np.abs(acceleration).max() <= limits.acceleration + 1e-9
    assert np.abs(np.diff(acceleration, prepend=0.0)).max() <= 0.01 * limits.jerk + 1e-9
    assert np.abs(rate).max() <= limits.steering_rate + 1e-9


def test_a_car_does_not_steer_more_than_its_tyres_hold_at_its_speed():
    motion = moving(speed=20.0)
    points, _ = advance(motion, 100, np.array([0.0, 0.4]))
    held = DriveLimits.of(BMW_320I).acceleration * BMW_320I.wheelbase_m / 20.0**2
    assert points[-1, 1] == pytest.approx(np.arctan(held))


def test_a_brake_ends_in_a_standstill_and_never_in_reverse():
    points, _ = advance(moving(speed=3.0), 200)
    assert points[:, 0].min() >= 0.0
    assert points[-1, 0] < 1e-3


def test_set_points_that_stopped_for_too_long_are_interrupted():
    motion = moving(speed=18.0)
    assert not motion.is_interrupted(STEP_NS)
    _, stamp_ns = advance(motion, 5)
    assert not motion.is_interrupted(stamp_ns + STEP_NS)
    assert motion.is_interrupted(stamp_ns + round(1.1e9 * SILENCE_S))


def test_set_points_do_not_run_away_from_a_car_that_does_not_move():
    motion = moving(speed=0.0)
    stamp_ns = 0
    for _ in range(10):
        motion.measure(np.zeros(6), stamp_ns)
        points, stamp_ns = advance(motion, 10, np.array([5.0, 0.0]), stamp_ns)
    assert points[-1, 0] < 2.5


def test_a_vehicle_without_limits_of_its_own_has_finite_ones():
    limits = DriveLimits.of(PACIFICA)
    assert np.isfinite([limits.acceleration, limits.jerk, limits.steering, limits.steering_rate]).all()


def arc(radius_m, count=40, speed=8.0):
    """Poses (count, 3) along a circle to the left."""
    yaw = np.arange(count) * 0.1 * speed / radius_m
    return np.stack([radius_m * np.sin(yaw), radius_m * (1 - np.cos(yaw)), yaw], axis=-1)


def brake_along(poses, state):
    """The states (n, 6) of a car that brakes along a path."""
    stop, driven = LaneStop(Tracker(Tracker.Config(), BMW_320I), poses), [state]
    while driven[-1][3] > 0.01:
        now = driven[-1]
        driven.append(BMW_320I.step(now, [max(-4.05, -now[3] / 0.1), stop.steering_rate(now)], 0.1))
    return np.array(driven)


def test_a_stop_follows_the_bend_of_the_lane():
    """With the front wheels straight ahead, as they are at first, the car would leave it by 1.5 m."""
    driven = brake_along(arc(20.0), np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.0]))
    radii = np.hypot(driven[:, 0], driven[:, 1] - 20.0)
    assert np.abs(radii - 20.0).max() < 0.45


def test_a_stop_goes_straight_on_past_the_end_of_the_path():
    driven = brake_along(arc(20.0, count=3), np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.13]))
    assert driven[-1, 2] == pytest.approx(0.08, abs=0.05)
    assert driven[-1, 5] == pytest.approx(0.0, abs=0.06)


def test_the_path_of_a_car_that_stands_still_has_the_direction_of_the_car():
    poses = np.tile([1.0, 2.0, 0.5], (40, 1)) + 1e-7 * np.random.default_rng(0).normal(size=(40, 3))
    stop = LaneStop(Tracker(Tracker.Config(), BMW_320I), poses)
    assert stop.steering_rate(np.array([1.0, 2.0, 0.5, 3.0, 0.0, 0.0])) == pytest.approx(0.0, abs=1e-3)
