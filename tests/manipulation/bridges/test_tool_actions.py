"""Actions of the tool of an arm: displacements, rotations and the gripper, within limits and as reported."""

import mujoco
import numpy as np
import pytest

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import plan_message
from wm_planner.bridges.simulators import adapter_of
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.pose import action_between, apply_action, euler_from_matrix, matrix_from_euler
from wm_planner.control.tool_action import ToolAction
from wm_planner.errors import ConfigError, InputError
from wm_planner.manipulation.bridges.tool_facts import refusal
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts, check_fit

REACH, PICK = "sim/panda_reach.xml", "sim/panda_pick.xml"
ARM = tuple(f"joint{i}" for i in range(1, 8))
FINGERS = ("hand_left_finger", "hand_right_finger")
HOME = np.array([0.0, -0.5, 0.0, -2.3, 0.0, 1.8, -0.785])
KINDS = {
    3: ToolAction(),
    4: ToolAction(gripper="opening"),
    6: ToolAction("vector"),
    7: ToolAction("euler", "change"),
}


def control(robot=PICK, opening=1.0):
    made = CONTROLLERS.build({"type": "ee_delta", "robot": robot}, "controller: params.control")
    fingers = FINGERS if robot == PICK else ()
    q = [*HOME, *(0.04 * opening for _ in fingers)]
    made.observe(m.joint_state((*ARM, *fingers), q, 7, np.zeros(len(q))))
    return made


def plan(kind, *action):
    names, units = zip(*kind.components, strict=True)
    size = len(names)
    spec = ActionSpec(names=names, units=units, low=(-9.0,) * size, high=(9.0,) * size)
    return plan_message(1, np.array([action], np.float32), spec, 0.2, 7, execute_steps=1, fallback=False)


def positions(command):
    return np.array(command.points[0].positions)


@pytest.mark.parametrize("size", KINDS)
def test_the_components_are_known_by_their_names_and_units(size):
    names, units = zip(*KINDS[size].components, strict=True)
    assert len(names) == size and ToolAction.of(names, units) == KINDS[size]
    assert ToolAction.of(names, ("cm",) * size) is None


def test_three_components_command_the_arm_alone_whatever_hand_it_has():
    action = (0.01, -0.02, -0.03)  # down into the workspace
    with_hand, without = control(PICK), control(REACH)
    sent = [each.command(plan(KINDS[3], *action), 0) for each in (with_hand, without)]
    np.testing.assert_allclose(*map(positions, sent), atol=1e-12)
    assert tuple(sent[0].joint_names) == ARM
    expected = without.control.command(HOME, np.array(action, np.float32).astype(np.float64))
    np.testing.assert_array_equal(positions(sent[1]), expected)


@pytest.mark.parametrize("kind", [ToolAction("euler"), ToolAction("vector")])
def test_a_rotation_turns_the_tool_from_its_measured_orientation(kind):
    made, action = control(REACH), np.array([0.01, 0.0, -0.03, 0.05, -0.04, 0.06], np.float32)
    sent = positions(made.command(plan(kind, *action), 0))
    np.testing.assert_array_equal(made.executed, action)  # to the last bit where no limit changed it
    (before, before_matrix), (after, after_matrix) = (made.control.chain.forward(q) for q in (HOME, sent))
    np.testing.assert_allclose(after - before, action[:3], atol=2e-3)
    wanted = kind.matrix(action.astype(np.float64)) @ before_matrix
    np.testing.assert_allclose(after_matrix, wanted, atol=1e-2)
    assert np.abs(before_matrix - wanted).max() > 0.05


def test_euler_angles_are_those_of_the_poses_of_a_published_model():
    made = control(REACH)
    position, matrix = made.control.chain.forward(HOME)
    pose = np.array([*position, *euler_from_matrix(matrix), 0.5])
    action = np.array([0.01, 0.02, -0.01, 0.1, -0.05, 0.2, 0.0])
    after = apply_action(pose, action)
    np.testing.assert_allclose(action_between(pose, after), action, atol=1e-12)
    kind = ToolAction("euler")
    np.testing.assert_allclose(kind.matrix(action) @ matrix, matrix_from_euler(after[3:6]), atol=1e-12)
    np.testing.assert_allclose(kind.angles(kind.matrix(action)), action[3:6], atol=1e-12)


@pytest.mark.parametrize("vector", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.1), (0.0, 0.0, 3.0)])
def test_a_rotation_vector_is_found_in_its_matrix(vector):
    kind, action = ToolAction("vector"), np.array([0.0, 0.0, 0.0, *vector])
    np.testing.assert_allclose(kind.angles(kind.matrix(action)), vector, atol=1e-9)
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, kind.matrix(action).reshape(9))
    assert abs(2 * np.arccos(np.clip(quaternion[0], -1, 1)) - np.linalg.norm(vector)) < 1e-6


def test_an_opening_is_a_set_point():
    made = control(opening=1.0)
    sent = made.command(plan(KINDS[4], 0.01, 0.0, -0.03, 0.25), 0)
    assert tuple(sent.joint_names) == (*ARM, *FINGERS)
    np.testing.assert_allclose(positions(sent)[7:], [0.01, 0.01], atol=1e-9)
    np.testing.assert_array_equal(made.executed, np.array([0.01, 0, -0.03, 0.25], np.float32))


def test_a_change_of_the_gripper_is_relative_to_what_was_measured():
    made, action = control(opening=0.75), (0.01, 0.0, -0.03, 0.0, 0.0, 0.1, 0.5)
    sent = made.command(plan(KINDS[7], *action), 0)  # 0.5 more closed
    np.testing.assert_allclose(positions(sent)[7:], [0.01, 0.01], atol=1e-8)
    np.testing.assert_array_equal(made.executed, np.array(action, np.float32))
    made.command(plan(KINDS[7], *action[:6], 2.0), 0)
    np.testing.assert_allclose(made.executed[-1], 0.75, atol=1e-6)  # closed is closed


def test_fingers_and_joints_keep_their_limits_and_what_was_carried_out_is_told():
    made = control(opening=1.0)
    made.fingers.limits.rate[:] = 0.05  # m/s: 1 cm in a step
    sent = positions(made.command(plan(KINDS[7], 0, 0, 0, 1.5, 0, 0, 1.0), 0))
    np.testing.assert_allclose(sent[7:], [0.03, 0.03])
    low, _, rate = made.control.bounds
    assert (np.abs(sent[:7] - HOME) <= 0.2 * rate + 1e-9).all() and (low <= sent[:7]).all()
    assert made.figures == {"clipped": "1"}
    np.testing.assert_allclose(made.executed[-1], 0.25, atol=1e-6)
    before, after = (made.control.chain.forward(q)[1] for q in (HOME, sent[:7]))
    np.testing.assert_allclose(made.executed[3:6], euler_from_matrix(after @ before.T), atol=1e-6)
    assert np.abs(made.executed[3]) < 1.5


def test_a_hold_keeps_the_grip():
    made = control(opening=1.0)
    made.command(plan(KINDS[4], 0.01, 0.0, 0.0, 0.0), 0)
    blocked = [*HOME, 0.02, 0.02]
    made.observe(m.joint_state((*ARM, *FINGERS), blocked, 9, np.zeros(9)))
    held = made.stop(0.2)
    np.testing.assert_allclose(positions(held), [*HOME, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(made.executed, [0, 0, 0, 0], atol=1e-6)
    made.command(plan(KINDS[4], 0.01, 0.0, 0.0, 0.5), 0)
    again = made.blind_stop(11)
    assert m.stamp_ns(again) == 11 and len(positions(again)) == 9
    np.testing.assert_allclose(made.executed, [0, 0, 0, 0.5])


def test_a_component_that_is_not_finite_leaves_the_fingers_as_they_are():
    made = control(opening=0.5)
    sent = made.command(plan(KINDS[4], 0.01, 0.0, 0.0, np.nan), 0)
    np.testing.assert_allclose(positions(sent)[7:], [0.02, 0.02])
    np.testing.assert_allclose(made.executed[-1], 0.5)


def test_what_a_robot_cannot_do_is_refused_by_name():
    with pytest.raises(
        InputError,
        match=r"/plan holds dx in m, .*opening in 1, .* opening needs a gripper, but sim",
    ):
        control(REACH).command(plan(KINDS[4], 0.0, 0.0, 0.0, 1.0), 0)
    other = ActionSpec(names=("x", "y"), units=("m", "m"), low=(-1.0,) * 2, high=(1.0,) * 2)
    message = plan_message(1, np.zeros((1, 2), np.float32), other, 0.2, 7, execute_steps=1, fallback=False)
    with pytest.raises(InputError, match=r"x in m, y in m, which .* an end effector takes dx, dy, dz"):
        control(REACH).command(message, 0)


@pytest.mark.parametrize(
    ("robot", "size", "reason"),
    [
        (PICK, 7, ""),
        (REACH, 6, ""),
        (REACH, 3, ""),
        (REACH, 7, "a gripper, but sim/panda_reach.xml has none"),
    ],
)
def test_a_launch_refuses_a_bundle_whose_gripper_the_robot_lacks(robot, size, reason):
    cls, config = CONTROLLERS.configure({"type": "ee_delta", "robot": robot}, "here")
    text = ", ".join(f"{name} in {unit}" for name, unit in KINDS[size].components)
    nodes = [
        ("nodes[2] (planner)", Facts({"the action": text})),
        ("nodes[3] (controller)", cls.facts(config)),
    ]
    if not reason:
        assert refusal(KINDS[size], no_gripper="" if robot == PICK else "none") == ""
        return check_fit(nodes, "x.yaml")
    with pytest.raises(ConfigError, match=rf"in nodes.2. .planner., which nodes.3. .controller. .*{reason}"):
        check_fit(nodes, "x.yaml")
    return None


def test_a_command_moves_the_joints_that_it_names():
    adapter = adapter_of({"type": "mujoco", "scene": "sim/panda_pick.py"}, "here")
    adapter.simulator.reset(1)
    held = adapter.simulator.actuator_targets
    arm = m.joint_trajectory(ARM, HOME[None], 0.1, 7)
    np.testing.assert_array_equal(adapter.command_of(arm), [*HOME, *held[7:]])
    with pytest.raises(InputError, match="/command moves wheel, the joints are joint1"):
        adapter.command_of(m.joint_trajectory(["wheel"], np.zeros((1, 1)), 0.1, 7))
    adapter.simulator.close()


def test_a_simulated_arm_moves_rotates_and_grips_as_told():
    adapter, made = adapter_of({"type": "mujoco", "scene": "sim/panda_pick.py"}, "here"), control(PICK)
    simulator, kind, turned = adapter.simulator, KINDS[7], np.zeros(3)
    observation = simulator.reset(1)
    before = observation.state["tcp_position"]
    first = made.control.chain.forward(observation.state["joint_positions"][:7])[1]
    for tick in range(8):
        made.observe(adapter.sensors(observation, tick)["/joint_states"])
        command = made.command(plan(kind, 0.0, 0.0, 0.01, 0.0, 0.0, 0.05, 0.1), 0)
        observation = simulator.step(adapter.command_of(command)).observation
        turned += made.executed[3:6]
    matrix = made.control.chain.forward(observation.state["joint_positions"][:7])[1]
    opening = made.fingers.opening(observation.state["joint_positions"][7:])
    simulator.close()
    moved, angle = observation.state["tcp_position"] - before, kind.angles(matrix @ first.T)
    np.testing.assert_allclose(turned, [0.0, 0.0, 0.4], atol=1e-6)
    assert 0.04 < moved[2] < 0.1 and np.abs(moved[:2]).max() < 0.01
    assert 0.2 < angle[2] < 0.45 and np.abs(angle[:2]).max() < 0.05
    assert 0.1 < opening < 0.8
