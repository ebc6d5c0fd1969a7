"""A car in realtime whose planner, controller or odometry fails, and plans that it must not follow."""

import msgspec
import numpy as np
import pytest
from realtime_road import RealtimeRoad

from wm_planner.bench.measurements.car_motion import car_motion_row
from wm_planner.bridges.messages import plan_message
from wm_planner.driving.bridges.ackermann import AckermannControl
from wm_planner.driving.bridges.messages import EGO_FRAME, POSES, odometry_message
from wm_planner.errors import InputError

ROUNDABOUT = "sim/drive_roundabout.xml"


@pytest.fixture
def road():
    roads = []

    def make(scenario, before_s):
        roads.append(RealtimeRoad(scenario, agents={"type": "idm"}))
        roads[0].run(before_s)
        return roads[0]

    yield make
    roads[0].close()


def odometry_of_nan(topic, message):
    if topic == "/odom":
        message.twist.twist.linear.x = np.nan
    return message


def no_odometry(topic, message):
    return None if topic == "/odom" else message


@pytest.mark.parametrize(
    ("fails", "limit_s"),
    [("planner", 0.2), (odometry_of_nan, 0.13), (no_odometry, 0.2)],
    ids=["planner", "odometry of nan", "no odometry"],
)
def test_a_car_without_plan_or_odometry_stops_in_the_bend_of_its_lane(road, fails, limit_s):
    made = road(ROUNDABOUT, 5.5)
    since_s = made.now_ns / 1e9
    if fails == "planner":
        made.stopped.add(made.planner)
    else:
        made.spoil = fails
    assert made.run(3.0) < 0.7  # it is as far from the route with plans
    assert made.ego[3] < 0.01
    speeds, limit = made.speeds(since_s), made.controller.node.control._motion.limits
    first_s = 0.01 * np.flatnonzero(np.diff(speeds) < -0.03)[0]
    assert first_s <= limit_s
    assert np.abs(np.diff(speeds, 2)).max() <= limit.jerk * 0.01**2 + 1e-4  # float32


def test_a_car_whose_controller_is_silent_brakes_and_is_driven_on_from_its_own_speed(road):
    made = road("sim/drive_merge.xml", 0.5)
    before = made.ego[3]
    assert made.offset_m < 0.1
    made.stopped.add(made.controller)
    made.run(1.5)
    slow = made.ego[3]
    assert slow < before - 4.0  # 0.2 s of silence, then 4.05 m/s^2
    made.stopped.clear()
    since_s = made.now_ns / 1e9
    made.run(0.5)
    assert made.speeds(since_s).max() < slow + 1.5


def test_a_car_stops_on_its_lane_also_in_a_simulator_that_is_late(road):
    """An acceleration and a steering rate that went on drove it backwards and 5 m off its lane."""
    made = road("sim/drive_merge.xml", 2.5)
    made.late_s = 0.5
    made.stopped.add(made.planner)
    assert made.run(6.0) < 0.2
    assert abs(made.ego[3]) < 0.01


def poses(count=20, start=(0.0, 0.0, 0.0)):
    ahead = np.zeros((count, 3), np.float32)
    ahead[:, 0] = 1.0 * np.arange(count)
    return ahead + np.array(start, np.float32)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"frame": "map"}, "is in the frame 'map', wanted 'ego'"),
        ({"actions": poses(start=(120.0, -4.0, 0.0))}, r"begins at \[120.0, -4.0, 0.0\] in the ego's frame"),
        ({"actions": poses(start=(0.0, 0.0, 3.1))}, "begins at"),
        ({"actions": 9 * poses()}, "has poses 9.0 m from each other, this car comes 5.6 m far in 0.1 s"),
        ({"actions": poses() * [1, 1, 0] + [[0, 0, 4 * (n > 3)] for n in range(20)]}, "turns by 4 rad"),
        ({"actions": poses(1)}, "holds 1 poses"),
        ({"dt_s": 30.0}, "30 s apart: wanted 2 or more, 0.01 to 1 s apart"),
        ({"units": ("m", "m", "deg")}, "a car follows"),
    ],
    ids=["frame", "place", "direction", "distance", "turn", "count", "period", "units"],
)
def test_a_plan_that_is_not_one_of_poses_from_the_ego_on_is_refused(changed, reason):
    control = AckermannControl(AckermannControl.Config())
    control.observe(odometry_message(np.array([300.0, -4.0, 0.0, 10.0]), 0.0, 7))
    given = {"actions": poses(), "frame": EGO_FRAME, "dt_s": 0.1, "units": POSES.units} | changed
    spec = msgspec.structs.replace(POSES, units=given["units"])
    how = {"frame": given["frame"], "execute_steps": 1, "fallback": False}
    with pytest.raises(InputError, match=reason):
        control.command(plan_message(9, given["actions"], spec, given["dt_s"], 7, **how), 0)


def test_random_and_broken_plans_never_command_a_car_beyond_its_limits():
    row = car_motion_row("bmw_320i", 150)
    assert row.refused > 10
    assert row.speed <= 1e-6
    shares = (row.acceleration, row.jerk, row.steering, row.steering_rate, row.grip)
    assert max(shares) <= 1 + 2e-2  # /drive is of float32
