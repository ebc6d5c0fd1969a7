"""Joint positions and velocities as actions of an arm."""

import numpy as np
import pytest

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import plan_message
from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import ConfigError, InputError, SimulationError
from wm_planner.manipulation.bridges.joint import JointControl
from wm_planner.messaging import messages as m

ROBOT = "sim/panda_reach.xml"
JOINTS = tuple(f"joint{i}" for i in range(1, 8))
HOME = np.array([0.0, -0.5, 0.0, -2.3, 0.0, 1.8, -0.785])


def control(**settings):
    spec = {"type": "joint", "robot": ROBOT, **settings}
    made = CONTROLLERS.build(spec, "controller: params.control")
    made.observe(m.joint_state(JOINTS, HOME, 7, np.zeros(7)))
    return made


def plan(action, names=JOINTS):
    size = len(names)
    spec = ActionSpec(names=names, units=("rad",) * size, low=(-9.0,) * size, high=(9.0,) * size)
    return plan_message(1, np.array([action], np.float32), spec, 0.2, 7, execute_steps=1, fallback=False)


def test_positions_are_targets():
    made, target = control(), HOME + 0.05
    sent = made.command(plan(target), 0)
    np.testing.assert_allclose(sent.points[0].positions, target, atol=1e-6)
    assert tuple(sent.joint_names) == JOINTS and m.stamp_ns(sent) == 7
    np.testing.assert_array_equal(made.executed, target.astype(np.float32))


def test_velocities_move_the_measured_positions_for_one_step():
    made, velocity = control(mode="velocity"), np.full(7, 0.1)
    sent = made.command(plan(velocity), 0)
    np.testing.assert_allclose(sent.points[0].positions, HOME + 0.02, atol=1e-6)
    np.testing.assert_array_equal(made.executed, velocity.astype(np.float32))


@pytest.mark.parametrize(("mode", "action"), [("position", HOME + 3.0), ("velocity", np.full(7, 50.0))])
def test_commands_keep_the_limits_and_what_was_carried_out_is_told(mode, action):
    made = control(mode=mode)
    sent = made.command(plan(action), 0).points[0].positions
    low, high, rate = made.control.bounds
    assert (np.abs(sent - HOME) <= 0.2 * rate + 1e-9).all() and (low <= sent).all() and (sent <= high).all()
    assert made.figures["clipped"] == "1"
    told = sent if mode == "position" else (sent - HOME) / 0.2
    np.testing.assert_allclose(made.executed, told, rtol=1e-6)


@pytest.mark.parametrize("mode", ["position", "velocity"])
def test_it_holds_the_posture_that_was_measured(mode):
    made = control(mode=mode)
    np.testing.assert_allclose(made.stop(0.2).points[0].positions, HOME)
    told = HOME if mode == "position" else np.zeros(7)
    np.testing.assert_allclose(made.executed, told, atol=1e-6)
    again = made.blind_stop(9)
    assert m.stamp_ns(again) == 9
    np.testing.assert_allclose(again.points[0].positions, HOME)


def test_actions_of_another_robot_and_unknown_modes_are_refused_by_name():
    with pytest.raises(InputError, match="/plan holds dx, dy, dz, the joints are joint1, joint2"):
        control().command(plan([0.0] * 3, ("dx", "dy", "dz")), 0)
    with pytest.raises(ConfigError, match="did you mean 'velocity'"):
        control(mode="velocities")


def test_motors_are_refused_positions_and_velocities():
    with pytest.raises(SimulationError, match=r"are motors, which take torques.*set `mode: torque`"):
        JointControl.from_config(JointControl.Config(robot="sim/cartpole.xml", mode="velocity"))


@pytest.mark.parametrize(("mode", "unit"), [("position", "rad"), ("velocity", "rad/s")])
def test_a_launch_compares_the_joints_and_units_with_the_planner(mode, unit):
    cls, config = CONTROLLERS.configure({"type": "joint", "robot": ROBOT, "mode": mode}, "here")
    cls.check(config)
    stated = cls.facts(config).agrees
    assert stated["the action"] == ", ".join(f"{name} in {unit}" for name in JOINTS)
    assert stated["what /command carries"] == "joint positions"
