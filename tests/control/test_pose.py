import time
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wm_planner.control.pose import (
    difference,
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_six,
    moved,
    six_from_matrix,
)
from wm_planner.world_models.onnx.model import Graph

SAMPLES = 800
TOLERANCE = 1e-6


def rng():
    return np.random.default_rng(0)


def poses():
    """Any place, any angles, any opening: (SAMPLES, 7)."""
    return np.concatenate([rng().uniform(-np.pi, np.pi, (SAMPLES, 6)), rng().random((SAMPLES, 1))], axis=1)


def actions():
    """As large as planners draw them, the gripper beyond its range: (SAMPLES, 7)."""
    return rng().uniform(-0.5, 0.5, (SAMPLES, 7))


def near_the_lock():
    """Angles whose second is a right angle, or off it by 3e-12 to 3e-3 rad: (SAMPLES, 3)."""
    angles = rng().uniform(-np.pi, np.pi, (SAMPLES, 3))
    off = 3 * 10.0 ** rng().integers(-12, -2, SAMPLES) * (rng().random(SAMPLES) < 0.9)
    angles[:, 1] = np.sign(angles[:, 1]) * (np.pi / 2 - off)
    return angles


def scipy_euler(rotation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns of the lock
        return rotation.as_euler("xyz")


def apart(a, b):
    """The largest difference of angles, a full turn being none."""
    return np.abs((a - b + np.pi) % (2 * np.pi) - np.pi).max()


@pytest.mark.parametrize("angles", [poses()[:, 3:6], near_the_lock()], ids=["any", "near the lock"])
def test_angles_and_matrices_are_those_of_scipy(angles):
    rotation = Rotation.from_euler("xyz", angles)
    np.testing.assert_allclose(matrix_from_euler(angles), rotation.as_matrix(), atol=TOLERANCE)
    assert apart(euler_from_matrix(rotation.as_matrix()), scipy_euler(rotation)) < TOLERANCE


def test_a_moved_pose_is_that_of_scipy():
    pose, action = poses(), actions()
    after = moved(pose, action)
    turned = Rotation.from_euler("xyz", action[:, 3:6]) * Rotation.from_euler("xyz", pose[:, 3:6])
    np.testing.assert_allclose(after[:, :3], pose[:, :3] + action[:, :3])
    assert apart(after[:, 3:6], scipy_euler(turned)) < TOLERANCE
    np.testing.assert_allclose(after[:, 6], np.clip(pose[:, 6] + action[:, 6], 0, 1))
    assert after[:, 6].min() == 0
    assert after[:, 6].max() == 1


def test_the_difference_of_two_poses_leads_from_one_to_the_other():
    pose, after = poses(), poses()[::-1]
    got = moved(pose, difference(pose, after))
    np.testing.assert_allclose(got[:, [0, 1, 2, 6]], after[:, [0, 1, 2, 6]], atol=TOLERANCE)
    np.testing.assert_allclose(
        matrix_from_euler(got[:, 3:6]), matrix_from_euler(after[:, 3:6]), atol=TOLERANCE
    )


@pytest.mark.parametrize("angles", [poses()[:, 3:6], near_the_lock()], ids=["any", "near the lock"])
def test_single_precision_loses_no_rotation_near_the_lock(angles):
    matrix = matrix_from_euler(angles.astype(np.float32))
    again = matrix_from_euler(euler_from_matrix(matrix))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, matrix, atol=1e-6)


def test_six_numbers_give_the_rotation_back_and_any_six_give_a_rotation():
    matrix = matrix_from_euler(poses()[:, 3:6])
    np.testing.assert_allclose(matrix_from_six(six_from_matrix(matrix)), matrix, atol=TOLERANCE)
    some = matrix_from_six(rng().normal(size=(SAMPLES, 6)))
    np.testing.assert_allclose(
        some @ np.swapaxes(some, -1, -2), np.broadcast_to(np.eye(3), some.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(some), 1.0)


@pytest.mark.parametrize("name", ["square", "wide_extrinsics"])
def test_poses_are_those_of_the_reference(shared_data, name):
    arrays = np.load(shared_data("vjepa2_reference") / f"{name}.npz")
    pose, action = arrays["in/pose"].astype(np.float64), arrays["in/pose_action"].astype(np.float64)
    np.testing.assert_allclose(moved(pose, action), arrays["out/compute_new_pose"], atol=TOLERANCE)
    np.testing.assert_allclose(difference(pose[:-1], pose[1:]), arrays["out/poses_to_diff"], atol=TOLERANCE)


def test_every_array_library_gives_the_same(namespace):
    to = namespace.asarray
    pose, action = poses(), actions()
    for function, other in ((moved, action), (difference, poses()[::-1].copy())):
        np.testing.assert_allclose(
            np.asarray(function(to(pose), to(other))), function(pose, other), atol=1e-12
        )
    got = matrix_from_six(six_from_matrix(matrix_from_euler(to(pose[:, 3:6]))))
    np.testing.assert_allclose(np.asarray(got), matrix_from_euler(pose[:, 3:6]), atol=1e-12)


@pytest.mark.torch
def test_a_graph_moves_any_number_of_poses(tmp_path):
    import torch

    class Move(torch.nn.Module):
        def forward(self, pose, action):
            return moved(pose, action)

    pose = poses().astype(np.float32)
    pose[:50, 3:6], pose[50:100] = near_the_lock()[:50], 0.0
    action = actions().astype(np.float32) * (rng().random((SAMPLES, 1)) < 0.9)
    batch = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            Move(),
            (torch.rand(2, 7), torch.rand(2, 7)),
            tmp_path / "move.onnx",
            input_names=["pose", "action"],
            output_names=["after"],
            dynamic_shapes={"pose": batch, "action": batch},
            verbose=False,
        )
    graph = Graph(tmp_path / "move.onnx", ["CPUExecutionProvider"], threads=1)
    after = graph.run({"pose": pose, "action": action.astype(np.float32)})["after"]
    wanted = moved(pose.astype(np.float64), action.astype(np.float64))
    np.testing.assert_allclose(after[:, [0, 1, 2, 6]], wanted[:, [0, 1, 2, 6]], atol=TOLERANCE)
    np.testing.assert_allclose(matrix_from_euler(after[:, 3:6]), matrix_from_euler(wanted[:, 3:6]), atol=2e-6)


def test_moving_800_poses_takes_no_longer_than_a_millisecond():
    pose, action = poses(), actions()
    took_ms = []
    for _ in range(50):
        start = time.process_time()
        moved(pose, action)
        took_ms.append(1000 * (time.process_time() - start))
    print(f"{SAMPLES} poses: {np.median(took_ms):.2f} ms CPU")
    assert min(took_ms) < 1.0
