"""Measured states that arrive in time but were not measured in time: a robot in realtime stops."""

import numpy as np
import pytest
from arm_messages import HOME, TICK, controller, joint_states, plan
from realtime_road import RealtimeRoad

from wm_planner.clock import nanoseconds

MOVED = [0.3, *HOME[1:]]


def repeated(now_ns):
    """The stamp of a sensor that stands still."""
    return nanoseconds(100.0)


def old(now_ns):
    return now_ns - nanoseconds(1.5)


def ahead(now_ns):
    return now_ns + nanoseconds(1.5)


@pytest.mark.parametrize(
    ("stamp_of", "reason"),
    [
        (repeated, "/joint_states has the stamp of a message before: its sensor repeats itself"),
        (old, "/joint_states is 1.50 s old by its stamp, at most 1 s are taken"),
        (ahead, "/joint_states is 1.50 s in the future by its stamp, at most 1 s are taken"),
    ],
)
def test_an_arm_whose_measured_states_are_stale_is_held(bench, caplog, stamp_of, reason):
    made = controller(bench, "realtime", patience_s=0.1)
    now_ns = made.clock.now_ns()
    made.deliver("/joint_states", joint_states(now_ns))
    made.deliver("/plan", plan(now_ns, action=(0.0, 0.1, 0.0)))
    assert made.node.diagnostics["holding"] == "False"
    for step in range(1, 4):
        made.clock.set_ns(now_ns + step * TICK)
        made.deliver("/joint_states", joint_states(stamp_of(made.clock.now_ns()), MOVED))
        made.deliver("/plan", plan(now_ns))
        made.node.watch()
    assert f"dropped /joint_states: {reason}" in caplog.text
    assert "/joint_states: no new message for 0.40 s" in caplog.text
    assert made.node.diagnostics["holding"] == "True"
    assert made.node.inputs["/joint_states"].dropped == 3
    np.testing.assert_array_equal(made.node.measured.position, HOME)


def test_an_arm_is_moved_again_when_its_sensor_works_again(bench):
    made = controller(bench, "realtime", patience_s=0.1)
    now_ns = made.clock.now_ns()
    made.deliver("/joint_states", joint_states(now_ns))
    made.clock.set_ns(now_ns + 2 * TICK)
    made.deliver("/joint_states", joint_states(now_ns))
    made.node.watch()
    assert made.node.holding
    made.deliver("/joint_states", joint_states(made.clock.now_ns()))
    made.deliver("/plan", plan(made.clock.now_ns()))
    assert not made.node.holding


def test_a_car_whose_odometry_stands_still_brakes_to_a_standstill():
    made = RealtimeRoad("sim/drive_merge.xml", agents={"type": "idm"})
    made.run(2.0)
    before, stuck = made.ego[3], []

    def standing_still(topic, message):
        if topic != "/odom":
            return message
        stuck.append(message)
        return stuck[0]

    made.spoil = standing_still
    since_s = made.now_ns / 1e9
    assert before > 10.0
    assert made.run(7.0) < 1.0
    assert made.ego[3] < 0.01
    first_s = 0.01 * np.flatnonzero(np.diff(made.speeds(since_s)) < -0.03)[0]
    assert first_s <= 0.3  # 0.16 s, and 0.1 s in which the brakes build up
    made.close()
