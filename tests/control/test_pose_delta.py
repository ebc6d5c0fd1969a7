"""Poses of 7 numbers, and the control whose actions are their changes."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wm_planner.control.pose import apply_action, matrix_from_euler, quaternion_from_euler
from wm_planner.simulation.scene import load_scene


@pytest.fixture(scope="module")
def control():
    scene = load_scene("sim/franka_droid.py")
    return scene.control(mujoco.MjModel.from_xml_path(str(scene.model_file)))


def test_quaternions_of_angles_are_those_of_scipy_in_the_order_of_ros():
    angles = np.random.default_rng(0).uniform(-1.5, 1.5, (20, 3))
    ours, theirs = quaternion_from_euler(angles), Rotation.from_euler("xyz", angles).as_quat()
    np.testing.assert_allclose(ours * np.sign(ours[:, 3:]), theirs * np.sign(theirs[:, 3:]), atol=1e-12)


def test_a_pose_tells_position_angles_and_how_far_the_gripper_is_closed(control):
    q = control.at_rest(np.array([0.5, 0.1, 0.2]))
    q[-2:] = 0.03
    pose = control.pose(q)
    np.testing.assert_allclose(pose[:3], [0.5, 0.1, 0.2], atol=1e-3)
    np.testing.assert_allclose(matrix_from_euler(pose[3:6])[:, 2], [0.0, 0.0, -1.0], atol=1e-3)  # tool down
    assert pose[6] == pytest.approx(0.25)


def test_a_command_leads_to_the_pose_that_the_action_is_added_to(control):
    q = control.at_rest(np.array([0.5, 0.1, 0.2]))
    action = np.array([0.02, -0.03, 0.01, 0.05, -0.02, 0.1, 0.4])
    wanted, got = apply_action(control.pose(q), action), control.pose(control.command(q, action))
    np.testing.assert_allclose(got[:3], wanted[:3], atol=2e-3)
    turned = matrix_from_euler(got[3:6]) @ matrix_from_euler(wanted[3:6]).T
    assert np.arccos((np.trace(turned) - 1) / 2) < 0.02
    assert got[6] == pytest.approx(wanted[6])
