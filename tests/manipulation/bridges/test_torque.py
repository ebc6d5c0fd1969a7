"""Torques as actions: a pendulum with a motor reaches an angle, is held, and refuses positions."""

import numpy as np
import pytest
from swing import write_swing

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import plan_message
from wm_planner.bridges.simulators import adapter_of, facts
from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import ConfigError, InputError, SimulationError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import check_fit

GOAL = -1.0  # rad


@pytest.fixture
def scene(tmp_path):
    return write_swing(tmp_path)


@pytest.fixture
def adapter(scene):
    made = adapter_of({"type": "mujoco", "scene": scene}, "here")
    yield made
    made.simulator.close()


def control(scene, mode="torque"):
    robot = scene.replace(".py", ".xml")
    return CONTROLLERS.build({"type": "joint", "robot": robot, "mode": mode}, "controller: params.control")


def state(q, velocity=0.0, stamp=7):
    return m.joint_state(["hinge"], [q], stamp, [velocity])


def plan(torque, dt_s=0.05, name="hinge"):
    spec = ActionSpec(names=(name,), units=("N m",), low=(-9.0,), high=(9.0,))
    return plan_message(1, np.array([[torque]], np.float32), spec, dt_s, 7, execute_steps=1, fallback=False)


def test_torques_go_out_as_efforts_and_are_told_to_the_last_bit(scene):
    made = control(scene)
    made.observe(state(0.0))
    sent = made.command(plan(1.3), 0)
    assert list(sent.joint_names) == ["hinge"] and len(sent.points[0].positions) == 0
    np.testing.assert_array_equal(sent.points[0].effort, np.array([1.3], np.float32).astype(float))
    np.testing.assert_array_equal(made.executed, np.array([1.3], np.float32))
    assert made.figures == {"clipped": "0"}


def test_torques_keep_the_range_of_the_motor_and_nothing_unfinite_goes_out(scene):
    made = control(scene)
    made.observe(state(-0.5))
    assert made.command(plan(50.0), 0).points[0].effort.tolist() == [6.0]
    assert made.executed.tolist() == [6.0] and made.figures == {"clipped": "1"}
    held = made.command(plan(np.nan), 0).points[0].effort  # what gravity wants at this angle
    np.testing.assert_allclose(held, 9.81 * 0.25 * np.sin(-0.5), rtol=1e-6)


def test_a_pendulum_reaches_an_angle_by_torques_and_is_held_there(scene, adapter):
    made, simulator = control(scene), adapter.simulator
    observation = simulator.reset(0)
    for tick in range(60):
        made.observe(adapter.sensors(observation, tick)["/joint_states"])
        q, v = (observation.state[name][0] for name in ("joint_positions", "joint_velocities"))
        if tick < 40:  # as a planner's actions: PD control with gravity compensation
            command = made.command(plan(9.81 * 0.25 * np.sin(q) + 2.0 * (GOAL - q) - 0.7 * v), 0)
        else:
            command = made.stop(0.05)
        observation = simulator.step(adapter.command_of(command)).observation
        if tick == 39:
            reached = observation.state["joint_positions"][0]
    assert abs(reached - GOAL) < 0.03 and simulator.reached
    assert abs(observation.state["joint_positions"][0] - reached) < 0.02
    assert abs(simulator.actuator_targets[0] * 4) > 1.5  # N m: held against gravity


def test_a_silent_controller_leaves_a_robot_that_brakes_and_holds_by_itself(adapter):
    simulator = adapter.simulator
    simulator.arrange(simulator.scene.explore(np.random.default_rng(0)))
    simulator.step(np.array([1.5]))
    for _ in range(40):
        simulator.command(adapter.stop_command())
        simulator.advance(0.02)
    before = simulator.observe().state["joint_positions"][0]
    for _ in range(10):
        simulator.command(adapter.stop_command())
        simulator.advance(0.02)
    after = simulator.observe().state
    assert abs(after["joint_velocities"][0]) < 0.02 and abs(after["joint_positions"][0] - before) < 0.01


def test_a_state_that_is_not_finite_leaves_the_torque_of_the_last_posture(scene):
    made = control(scene)
    assert made.blind_stop(9) is None
    made.observe(state(-0.5, velocity=2.0))
    made.command(plan(1.0), 0)
    assert made.fault(state(np.nan)) == "the measured position of hinge is not finite"
    assert made.fault(state(0.0, np.inf)) == "the measured velocity of hinge is not finite"
    sent = made.blind_stop(9)
    assert m.stamp_ns(sent) == 9
    np.testing.assert_allclose(sent.points[0].effort, 9.81 * 0.25 * np.sin(-0.5), rtol=1e-6)


def test_boxes_that_torques_would_not_keep_out_of_are_refused(scene):
    box = {"low": [0.0, 0.0, 0.0], "high": [0.1, 0.1, 0.1]}
    spec = {"type": "joint", "robot": scene.replace(".py", ".xml"), "mode": "torque", "keep_out": [box]}
    with pytest.raises(ConfigError, match="torques do not keep an arm out of boxes: leave out keep_out"):
        CONTROLLERS.configure(spec, "here")


def test_positions_for_motors_and_torques_for_servos_are_refused_by_name(scene, adapter):
    with pytest.raises(InputError, match=r"no torques of the motors of hinge: use control"):
        adapter.command_of(m.joint_trajectory(["hinge"], np.zeros((1, 1)), 0.05, 7))
    with pytest.raises(SimulationError, match="actuator 'joint1' is no <motor> of a joint"):
        control("sim/panda_reach.py")
    made = control(scene)
    made.observe(state(0.0))
    with pytest.raises(InputError, match="/plan holds wheel, the motors drive hinge"):
        made.command(plan(1.0, name="wheel"), 0)
    arm = adapter_of({"type": "mujoco", "scene": "sim/panda_reach.py"}, "here")
    joints = arm.simulator.joints
    with pytest.raises(InputError, match=r"carries torques of joint1, .* whose actuators are servos"):
        arm.command_of(m.joint_efforts(joints, np.zeros(7), 0.2, 7))
    arm.simulator.close()


def test_a_launch_refuses_a_controller_whose_commands_the_robot_does_not_take(scene):
    def stated(spec):
        cls, config = CONTROLLERS.configure(spec, "here")
        return cls.facts(config)

    torque = stated({"type": "joint", "robot": scene.replace(".py", ".xml"), "mode": "torque"})
    assert torque.agrees["the action"] == "hinge in N m"
    swing, arm = (facts({"type": "mujoco", "scene": each}, "here") for each in (scene, "sim/panda_reach.py"))
    check_fit([("simulator", swing), ("controller", torque)], "x.yaml")
    with pytest.raises(
        ConfigError, match="/command carries is joint efforts in controller, but joint positions"
    ):
        check_fit([("simulator", arm), ("controller", torque)], "x.yaml")
    delta = stated({"type": "ee_delta", "robot": "sim/panda_reach.xml"})
    with pytest.raises(
        ConfigError, match="/command carries is joint positions in controller, but joint efforts"
    ):
        check_fit([("simulator", swing), ("controller", delta)], "x.yaml")
