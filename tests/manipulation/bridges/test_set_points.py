"""Set-points at a fixed rate of the controller of a Panda."""

import numpy as np
import pytest

from wm_planner.bridges.messages import plan_message
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.clearance import KeepOut
from wm_planner.manipulation.bridges.ee_delta import EndEffectorControl
from wm_planner.messaging import messages as m

ROBOT = "sim/panda_reach.xml"
SPEC = ActionSpec(names=("dx", "dy", "dz"), units=("m",) * 3, low=(-0.3,) * 3, high=(0.3,) * 3)
PERIOD_S, RATE_HZ = 0.2, 100.0
PER_PLAN = round(PERIOD_S * RATE_HZ)


class Driven:
    """An arm that is where its set-points are."""

    def __init__(self, **config):
        self.control = EndEffectorControl(EndEffectorControl.Config(robot=ROBOT, **config))
        self.control.pace(RATE_HZ)
        self.q, self.stamp_ns = self.control.control.at_rest(np.array([0.5, 0.0, 0.3])), 0
        self.measure()

    def measure(self):
        self.control.observe(m.joint_state(self.control.control.joints, self.q, self.stamp_ns))

    def follow(self, count=PER_PLAN):
        """Joint positions (count, J) of the next set-points."""
        followed = []
        for _ in range(count):
            self.stamp_ns += round(1e9 / RATE_HZ)
            message = self.control.set_point(self.stamp_ns)
            assert m.stamp_ns(message) == self.stamp_ns
            self.q = np.asarray(message.points[0].positions)
            followed.append(self.q)
        self.measure()
        return np.array(followed)

    def plan(self, action):
        plan = plan_message(
            1,
            np.array([action], np.float32),
            SPEC,
            PERIOD_S,
            self.stamp_ns,
            execute_steps=1,
            fallback=False,
        )
        return self.control.command(plan, 0)

    @property
    def tool(self):
        return self.control.control.position(self.q)


def test_there_is_no_set_point_before_a_posture_was_measured():
    control = EndEffectorControl(EndEffectorControl.Config(robot=ROBOT))
    control.pace(RATE_HZ)
    assert control.set_point(0) is None


def test_set_points_rest_where_the_arm_was_measured_until_a_plan_comes():
    arm = Driven()
    measured = arm.q.copy()
    np.testing.assert_array_equal(arm.follow(), np.tile(measured, (PER_PLAN, 1)))


def test_set_points_carry_out_a_plan_within_its_period_and_say_so():
    arm = Driven()
    before = arm.tool
    action = np.array([0.02, -0.02, 0.01], np.float32)
    arm.plan(action)
    np.testing.assert_array_equal(arm.control.executed, action)
    arm.follow()
    np.testing.assert_allclose(arm.tool - before, action, atol=1e-3)


def test_what_acceleration_and_jerk_leave_of_a_large_action_is_what_is_told():
    arm = Driven()
    before = arm.tool
    arm.plan([0.0, 0.3, 0.0])
    told = arm.control.executed.copy()
    arm.follow()
    assert 0.01 < told[1] < 0.28
    np.testing.assert_allclose(arm.tool - before, told, atol=1e-6)


def test_a_stop_brakes_at_once_and_says_what_is_left_of_the_motion():
    arm = Driven()
    arm.plan([0.0, 0.2, 0.0])
    arm.follow(8)
    before = arm.tool
    arm.control.stop(PERIOD_S)
    told, followed = arm.control.executed.copy(), arm.follow()
    np.testing.assert_allclose(arm.tool - before, told, atol=1e-6)
    np.testing.assert_allclose(followed[-1], followed[-2], atol=1e-9)
    limits = arm.control.motion_limits
    steps = np.abs(np.diff(followed, axis=0))
    assert (steps <= limits.velocity / RATE_HZ + 1e-9).all()


@pytest.mark.parametrize("paced", [True, False])
def test_an_arm_is_not_moved_into_a_box_and_says_what_keeps_it_back(paced):
    box = KeepOut(low=(0.45, 0.2, 0.0), high=(0.55, 0.4, 0.5))
    arm = Driven(keep_out=(box,))
    if not paced:
        arm.control = EndEffectorControl(EndEffectorControl.Config(robot=ROBOT, keep_out=(box,)))
        arm.measure()
    command = arm.plan([0.0, 0.2, 0.0])
    if paced:
        arm.follow()
    else:
        np.testing.assert_array_equal(command.points[0].positions, arm.q)
        np.testing.assert_array_equal(arm.control.executed, np.zeros(3))
    assert "keep_out[0]" in arm.control.figures["obstacle"]
    assert arm.control.admissibility.why(arm.q) == ""
