import time
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wm_planner.control.pose import (
    action_between,
    apply_action,
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_rotation_6d,
    rotation_6d_from_matrix,
)
from wm_planner.world_models.onnx.session import Graph

SAMPLES = 800
TOLERANCE = 1e-6


def rng():
    return np.random.default_rng(0)


def poses():
    """Random positions, angles and openings, (SAMPLES, 7)."""
    return np.concatenate([rng().uniform(-np.pi, np.pi, (SAMPLES, 6)), rng().random((SAMPLES, 1))], axis=1)


def actions():
    """As large as planners sample them, with openings beyond the range, (SAMPLES, 7)."""
    return rng().uniform(-0.5, 0.5, (SAMPLES, 7))


def near_gimbal_lock():
    """Angles whose second is +-pi/2, or differs from it by 3e-12 to 3e-3 rad, (SAMPLES, 3)."""
    angles = rng().uniform(-np.pi, np.pi, (SAMPLES, 3))
    offset = 3 * 10.0 ** rng().integers(-12, -2, SAMPLES) * (rng().random(SAMPLES) < 0.9)
    angles[:, 1] = np.sign(angles[:, 1]) * (np.pi / 2 - offset)
    return angles


def scipy_euler(rotation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns of gimbal lock
        return rotation.as_euler("xyz")


def angle_error(a, b):
    """The largest difference of angles, modulo 2 pi."""
    return np.abs((a - b + np.pi) % (2 * np.pi) - np.pi).max()


@pytest.mark.parametrize("angles", [poses()[:, 3:6], near_gimbal_lock()], ids=["any", "near gimbal lock"])
def test_angles_and_matrices_match_scipy(angles):
    rotation = Rotation.from_euler("xyz", angles)
    np.testing.assert_allclose(matrix_from_euler(angles), rotation.as_matrix(), atol=TOLERANCE)
    assert angle_error(euler_from_matrix(rotation.as_matrix()), scipy_euler(rotation)) < TOLERANCE


def test_applying_an_action_matches_scipy():
    pose, action = poses(), actions()
    after = apply_action(pose, action)
    rotation = Rotation.from_euler("xyz", action[:, 3:6]) * Rotation.from_euler("xyz", pose[:, 3:6])
    np.testing.assert_allclose(after[:, :3], pose[:, :3] + action[:, :3])
    assert angle_error(after[:, 3:6], scipy_euler(rotation)) < TOLERANCE
    np.testing.assert_allclose(after[:, 6], np.clip(pose[:, 6] + action[:, 6], 0, 1))
    assert after[:, 6].min() == 0
    assert after[:, 6].max() == 1


def test_the_action_between_two_poses_leads_from_one_to_the_other():
    pose, after = poses(), poses()[::-1]
    got = apply_action(pose, action_between(pose, after))
    np.testing.assert_allclose(got[:, [0, 1, 2, 6]], after[:, [0, 1, 2, 6]], atol=TOLERANCE)
    np.testing.assert_allclose(
        matrix_from_euler(got[:, 3:6]), matrix_from_euler(after[:, 3:6]), atol=TOLERANCE
    )


@pytest.mark.parametrize("angles", [poses()[:, 3:6], near_gimbal_lock()], ids=["any", "near gimbal lock"])
def test_single_precision_preserves_rotations_near_gimbal_lock(angles):
    matrix = matrix_from_euler(angles.astype(np.float32))
    again = matrix_from_euler(euler_from_matrix(matrix))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, matrix, atol=1e-6)


def test_rotation_6d_round_trips_and_any_six_numbers_give_a_rotation():
    matrix = matrix_from_euler(poses()[:, 3:6])
    again = matrix_from_rotation_6d(rotation_6d_from_matrix(matrix))
    np.testing.assert_allclose(again, matrix, atol=TOLERANCE)
    random = matrix_from_rotation_6d(rng().normal(size=(SAMPLES, 6)))
    np.testing.assert_allclose(
        random @ np.swapaxes(random, -1, -2), np.broadcast_to(np.eye(3), random.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(random), 1.0)


@pytest.mark.parametrize("name", ["square", "wide_extrinsics"])
def test_poses_match_the_reference(shared_data, name):
    arrays = np.load(shared_data("vjepa2_reference") / f"{name}.npz")
    pose, action = arrays["in/pose"].astype(np.float64), arrays["in/pose_action"].astype(np.float64)
    np.testing.assert_allclose(apply_action(pose, action), arrays["out/compute_new_pose"], atol=TOLERANCE)
    between = action_between(pose[:-1], pose[1:])
    np.testing.assert_allclose(between, arrays["out/poses_to_diff"], atol=TOLERANCE)


def test_every_array_library_gives_the_same_result(namespace):
    to = namespace.asarray
    pose, action = poses(), actions()
    for function, other in ((apply_action, action), (action_between, poses()[::-1].copy())):
        np.testing.assert_allclose(
            np.asarray(function(to(pose), to(other))), function(pose, other), atol=1e-12
        )
    got = matrix_from_rotation_6d(rotation_6d_from_matrix(matrix_from_euler(to(pose[:, 3:6]))))
    np.testing.assert_allclose(np.asarray(got), matrix_from_euler(pose[:, 3:6]), atol=1e-12)


@pytest.mark.torch
def test_an_exported_graph_takes_any_number_of_poses(tmp_path):
    import torch

    class Move(torch.nn.Module):
        def forward(self, pose, action):
            return apply_action(pose, action)

    pose = poses().astype(np.float32)
    pose[:50, 3:6], pose[50:100] = near_gimbal_lock()[:50], 0.0
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
    wanted = apply_action(pose.astype(np.float64), action.astype(np.float64))
    np.testing.assert_allclose(after[:, [0, 1, 2, 6]], wanted[:, [0, 1, 2, 6]], atol=TOLERANCE)
    np.testing.assert_allclose(matrix_from_euler(after[:, 3:6]), matrix_from_euler(wanted[:, 3:6]), atol=2e-6)


def test_applying_800_actions_takes_less_than_a_millisecond():
    pose, action = poses(), actions()
    took_ms = []
    for _ in range(50):
        start = time.process_time()
        apply_action(pose, action)
        took_ms.append(1000 * (time.process_time() - start))
    print(f"{SAMPLES} poses: {np.median(took_ms):.2f} ms CPU")
    assert min(took_ms) < 1.0
