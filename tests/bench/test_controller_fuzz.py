"""Broken messages into controllers; `pytest -m slow` tries many more."""

import random

import msgspec
import numpy as np
import pytest

from wm_planner.bench.measurements.broken_messages import broken
from wm_planner.bench.measurements.controller_fuzz import UNFORESEEN, fuzz
from wm_planner.bench.measurements.fuzzed_robots import RATE_HZ, robot_of
from wm_planner.driving.bridges.messages import set_point_message
from wm_planner.driving.vehicle.drive_motion import DriveLimits
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import MessagingError
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m

FEW, MANY = 500, 20_000
ROBOTS = ("sim/panda_reach.xml", "sim/franka_droid.xml", "bmw_320i")


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize(
    "count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_broken_messages_neither_end_a_controller_nor_move_a_robot_beyond_its_limits(robot, count):
    row = fuzz(robot, count, seed=count)
    assert row.messages >= count
    assert row.beyond == ()
    assert row.unforeseen == 0
    assert row.followed > count / 100  # good plans reach the robot in spite of the others
    assert sum(row.refused.values()) > count / 3
    assert 0.1 < row.used["acceleration"] <= 1 + 1e-6


def test_the_same_seed_breaks_the_same_messages():
    assert fuzz("bmw_320i", 200, seed=3).refused == fuzz("bmw_320i", 200, seed=3).refused


@pytest.mark.parametrize(
    ("robot", "limit", "jump"),
    [
        ("sim/panda_reach.xml", "velocity", m.joint_trajectory(["a"] * 7, np.full((1, 7), 0.5), 0.01, 0)),
        ("bmw_320i", "acceleration", set_point_message(10.0, 0.0, DriveLimits.of(BMW_320I), 0)),
        ("bmw_320i", "speed", set_point_message(np.nan, 0.0, DriveLimits.of(BMW_320I), 0)),
    ],
)
def test_a_set_point_that_jumps_is_found(robot, limit, jump):
    used = robot_of(robot).follow(jump, before=9)
    assert used[limit] > 1 + 1e-3
    assert RATE_HZ == 100.0


def test_an_error_that_is_not_about_a_message_is_told_apart():
    refused = {f"{UNFORESEEN}: ZeroDivisionError": 2, "held: no plan": 1}
    assert msgspec.structs.replace(fuzz("bmw_320i", 50), refused=refused).unforeseen == 2


def test_broken_messages_are_as_often_read_as_refused_by_the_decoder():
    draw, readable = random.Random(1), 0
    for _ in range(400):
        data = broken(m.joint_state(["a", "b"], [0.0, 1.0], 5), draw)
        try:
            codec.decode("sensor_msgs/msg/JointState", data)
            readable += 1
        except MessagingError:
            pass
    assert 200 < readable < 390
