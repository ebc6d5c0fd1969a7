"""The scenes like those of DROID: pictures of sub-goals, poses on the bus, episodes of measured actions."""

from itertools import pairwise

import numpy as np
import pytest

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import goal_message, observation_of, plan_message, state_topic
from wm_planner.bridges.simulators import adapter_of, facts
from wm_planner.bridges.statements import STATE
from wm_planner.contracts.task import Placement
from wm_planner.control.pose import apply_action
from wm_planner.manipulation.simulation.exploration import explore

SPEC = {"type": "mujoco", "scene": "sim/franka_droid.py"}


@pytest.fixture(scope="module")
def adapter():
    made = adapter_of(SPEC, "here")
    yield made
    made.simulator.close()


def test_a_lift_shows_the_open_hand_the_closed_hand_and_the_lifted_block(adapter):
    adapter.simulator.reset(1)
    goal = adapter.simulator.goal
    assert [stage.steps for stage in (*goal.before, goal)] == [10, 4, 4]
    pictures = [stage.images["front"] for stage in (*goal.before, goal)]
    changed = [np.abs(one.astype(int) - other).mean() for one, other in pairwise(pictures)]
    assert 0 < changed[0] < changed[1]
    assert list(goal_message(2, goal, 0).steps) == [10, 4, 4]


def test_a_lift_begins_above_the_block_and_closes_around_it(adapter):
    scene = adapter.simulator.scene
    task = scene.sample(np.random.default_rng(1))
    block = task.position - [0.0, 0.0, scene.lift]
    over, closed = (stage.placement.tcp - block for stage in task.before)
    np.testing.assert_allclose([over, closed], [[0.0, 0.0, scene.above], [0.0, 0.0, 0.0]], atol=1e-9)
    np.testing.assert_allclose(task.goal.tcp, task.position)


def test_the_pose_is_published_with_its_orientation_and_gripper(adapter):
    observation = adapter.simulator.reset(1)
    sensors = adapter.sensors(observation, 7)
    assert set(sensors) == set(adapter.topics) and state_topic("tcp_pose") == "/signal/tcp_pose"
    assert facts(SPEC, "here").offers[STATE]["tcp_pose"] == "7 values"
    read = observation_of(sensors, (), ("tcp_pose",)).state["tcp_pose"]
    np.testing.assert_array_equal(read, observation.state["tcp_pose"])
    turn = sensors["/tcp_pose"].pose.orientation
    np.testing.assert_allclose(np.abs([turn.x, turn.y, turn.z, turn.w]), [0.707, 0.707, 0, 0], atol=1e-3)


def test_recorded_actions_are_the_measured_changes_of_the_pose_and_the_commanded_one_of_the_gripper(adapter):
    episode = explore(adapter.simulator, 1, 12)
    pose, action = episode.state[:, :7], episode.action
    after = apply_action(pose[:-1].astype(float), action[:-1].astype(float))
    np.testing.assert_allclose(after[:, :3], pose[1:, :3], atol=2e-3)
    closed, grip = pose[:, 6], action[:, 6]
    assert np.abs(grip).max() <= 0.75
    holds = (closed[:-1] > 0.4) & (np.abs(np.diff(closed)) < 0.01)
    assert holds.any()  # the block stops the fingers,
    assert (grip[:-1][holds] > 0.25).all()  # which go on to press


def test_a_gripper_that_is_told_no_change_keeps_what_it_holds(adapter):
    simulator = adapter.simulator
    block = np.array([0.52, 0.05, 0.02])
    fingers = dict.fromkeys(("hand_left_finger", "hand_right_finger"), np.array([0.04]))
    block_joint = {"block": np.array([*block, 1.0, 0.0, 0.0, 0.0])}
    observation = simulator.arrange(Placement(block, {**fingers, **block_joint}))
    control = CONTROLLERS.build({"type": "ee_delta", "robot": "sim/franka_droid.xml"}, "here")
    for tick, (dz, grip) in enumerate([(0.0, 0.75), (0.0, 0.0), (0.04, 0.0), (0.04, 0.0), (0.04, 0.0)]):
        control.observe(adapter.sensors(observation, tick)["/joint_states"])
        action = np.array([[0.0, 0.0, dz, 0.0, 0.0, 0.0, grip]], np.float32)
        plan = plan_message(1, action, simulator.scene.action, 0.25, tick, execute_steps=1, fallback=False)
        observation = simulator.step(adapter.command_of(control.command(plan, 0))).observation
    assert simulator.point[2] > 0.12
    control.reset()
    control.observe(adapter.sensors(simulator.reset(1), 9)["/joint_states"])
    still = plan_message(
        1, np.zeros((1, 7), np.float32), simulator.scene.action, 0.25, 9, execute_steps=1, fallback=False
    )
    assert control.command(still, 0).points[0].positions[-1] == pytest.approx(0.04, abs=1e-3)  # open again
