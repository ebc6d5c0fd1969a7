import numpy as np
import pytest

from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.pose_profiles import fit_curvature, fit_speed
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import PACIFICA, STEERING
from wm_planner.errors import ShapeError

DT = 0.1


def arcs(speed, turn, steps=41):
    """Poses (N, steps, 3) along circles at constant speeds (N,) and yaw rates (N,)."""
    time = DT * np.arange(steps)
    yaw = np.multiply.outer(turn, time)
    chord = np.multiply.outer(speed, time) * np.sinc(yaw / (2 * np.pi))
    return np.stack([chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), yaw], axis=-1)


def moving(speed):
    states = np.zeros((len(speed), 6))
    states[:, SPEED] = speed
    return states


def tracker(**config):
    return Tracker(Tracker.Config(**config), PACIFICA, DT)


def noisy_poses(count=4, steps=21, seed=0):
    """Noisy poses that no car could follow exactly."""
    rng = np.random.default_rng(seed)
    poses = arcs(rng.uniform(3, 12, count), rng.uniform(-0.4, 0.4, count), steps)
    return poses + 0.02 * rng.normal(size=poses.shape)


def dense_speed(poses, penalty):
    """nuPlan's original problem: least squares in the first speed and the accelerations."""
    steps, yaw = np.diff(poses[:, :2], axis=0), poses[:-1, 2]
    count = len(steps)
    speeds = np.tri(count)  # of (first speed, accelerations times dt)
    rows = np.concatenate([np.cos(yaw)[:, None] * speeds, np.sin(yaw)[:, None] * speeds]) * DT
    rows[:, 1:] *= DT
    jerk = np.diff(np.eye(count)[1:], axis=0) * np.sqrt(penalty)
    wanted = np.concatenate([steps[:, 0], steps[:, 1], np.zeros(len(jerk))])
    solved = np.linalg.lstsq(np.concatenate([rows, jerk]), wanted, rcond=None)[0]
    return solved[0] + DT * np.concatenate([[0], np.cumsum(solved[1:])])


def dense_curvature(turn, speed, penalty):
    """nuPlan's original problem: least squares in the first curvature and its rates."""
    count = len(turn)
    rows = np.tri(count) * (speed * DT)[:, None]
    rows[:, 1:] *= DT
    weights = np.sqrt([1e-10, *[penalty] * (count - 1)])
    solved = np.linalg.lstsq(
        np.concatenate([rows, np.diag(weights)]), np.concatenate([turn, np.zeros(count)]), rcond=None
    )[0]
    return solved[0] + DT * np.concatenate([[0], np.cumsum(solved[1:])])


def test_speed_is_fitted_as_in_the_dense_problem():
    poses = noisy_poses()
    fitted = fit_speed(poses, DT, 1e-4)
    for one, expected in zip(fitted, poses, strict=True):
        np.testing.assert_allclose(one, dense_speed(expected, 1e-4), atol=1e-6)


def test_curvature_is_fitted_as_in_the_dense_problem():
    poses = noisy_poses()
    speed = fit_speed(poses, DT, 1e-4)
    fitted = fit_curvature(poses[..., 2], speed, DT, 1e-2)
    for n in range(len(poses)):
        expected = dense_curvature(np.diff(poses[n, :, 2]), speed[n], 1e-2)
        np.testing.assert_allclose(fitted[n], expected, atol=1e-6)


def test_wrapped_headings_give_the_same_fit():
    yaw = 3.0 + 0.05 * np.arange(12)[None]
    wrapped = np.arctan2(np.sin(yaw), np.cos(yaw))
    speed = np.full((1, 11), 5.0)
    np.testing.assert_allclose(fit_curvature(wrapped, speed, DT, 1e-2), fit_curvature(yaw, speed, DT, 1e-2))


def test_commands_solve_the_linear_quadratic_problem():
    """The terminal state is A x + B u + g for a constant input u."""
    controller, poses = tracker(), noisy_poses()
    states = moving(np.array([4.0, 6.0, 8.0, 10.0]))
    states[:, YAW], states[:, STEERING], states[:, 1] = 0.05, -0.02, 0.3
    reference = controller.reference(poses)
    commands = controller.commands(states, reference, 3)
    for n in range(4):
        wanted = reference.speed[13, n]
        acceleration = 10 * (wanted - states[n, SPEED]) / (10 + 1)
        assert commands[n, 0] == pytest.approx(acceleration)
        x, y, yaw = reference.poses[3, n]
        dx, dy = states[n, :2] - (x, y)
        a, b, g = np.eye(3), np.zeros(3), np.zeros(3)
        for k in range(10):
            speed = states[n, SPEED] + k * DT * acceleration
            step = np.eye(3)
            step[0, 1], step[1, 2] = speed * DT, speed * DT / PACIFICA.wheelbase_m
            a, b = step @ a, step @ b + [0, 0, DT]
            g = step @ g - [0, speed * DT * reference.curvature[3 + k, n], 0]
        error = [dy * np.cos(yaw) - dx * np.sin(yaw), states[n, YAW] - yaw, states[n, STEERING]]
        weights = np.diag([1.0, 10.0, 0.0])
        rate = -(b @ weights @ (a @ error + g)) / (b @ weights @ b + 1)
        assert commands[n, 1] == pytest.approx(rate)


def test_proposals_are_tracked_independently():
    poses, states = noisy_poses(), moving(np.full(4, 6.0))
    together = tracker().track(states, poses)
    for n in range(4):
        np.testing.assert_allclose(together[n], tracker().track(states[n], poses[n : n + 1])[0], atol=1e-9)


def test_a_lane_change_is_tracked():
    time = DT * np.arange(61)
    shift = 3.5 / (1 + np.exp(-2 * (time - 3)))
    poses = np.stack([8 * time, shift, np.arctan(np.gradient(shift, 8 * DT))], axis=-1)[None]
    driven = tracker().track(moving([8.0]), poses)[0]
    assert np.abs(driven[:, 1] - shift[1:]).max() < 0.35
    assert driven[-1, 1] == pytest.approx(3.5, abs=0.1)


def test_arcs_are_tracked():
    speed, turn = np.array([5.0, 8.0, 12.0]), np.array([0.25, -0.2, 0.1])
    poses = arcs(speed, turn, 61)
    driven = tracker().track(moving(speed), poses)
    off = np.linalg.norm(driven[..., :2] - poses[:, 1:, :2], axis=-1)
    assert off.max() < 0.65  # until the steering has reached its angle
    assert off[:, -1].max() < 0.35
    assert np.abs(driven[:, -1, YAW] - poses[:, -1, 2]).max() < 0.03


def test_the_car_stops_for_a_stationary_reference():
    poses = np.zeros((1, 81, 3))
    driven = tracker().track(moving([4.0]), poses)[0]
    assert driven[-1, SPEED] < 0.1
    np.testing.assert_allclose(driven[:, STEERING], 0, atol=1e-9)


def test_a_single_pose_is_refused():
    with pytest.raises(ShapeError, match=r"poses have shape \(2, 1, 3\), wanted \(N, T, 3\) with T >= 2"):
        tracker().track(moving([1.0, 2.0]), np.zeros((2, 1, 3)))
