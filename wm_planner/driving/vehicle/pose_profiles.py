"""Speed and curvature profiles of trajectories given as poses only, by regularized least squares.

Source: nuplan-devkit's tracker_utils, which solves dense problems in accelerations and curvature rates. In
speeds, the first problem has one matrix for all trajectories; in curvatures, the second one is tridiagonal.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.angles import wrap_difference

Floats = NDArray[np.float64]

_START_PENALTY = 1e-10  # on the first curvature, which would be undefined at standstill


def fit_speed(poses: Floats, dt: float, jerk_penalty: float) -> Floats:
    """Speeds (N, M) in m/s between M + 1 poses (N, M + 1, 3), below 0 when reversing.

    Args:
        poses: x, y [m], yaw [rad].
        dt: time between two poses, in s.
        jerk_penalty: weight of squared differences of accelerations.
    """
    steps, yaw = np.diff(poses[..., :2], axis=-2), poses[..., :-1, 2]
    measured = (steps[..., 0] * np.cos(yaw) + steps[..., 1] * np.sin(yaw)) / dt
    return np.asarray(measured @ _smoothing_matrix(measured.shape[-1], dt, jerk_penalty))


def fit_curvature(yaw: Floats, speed: Floats, dt: float, rate_penalty: float) -> Floats:
    """Curvatures (N, M) in 1/m between M + 1 headings (N, M + 1) in rad, at `speed` (N, M).

    Args:
        rate_penalty: weight of squared curvature rates.
    """
    turn = wrap_difference(np.diff(yaw, axis=-1))
    distance = (speed * dt).T  # (M, N)
    stiffness = rate_penalty / dt**2
    diagonal = distance * distance
    diagonal[0] += _START_PENALTY
    diagonal[:-1] += stiffness
    diagonal[1:] += stiffness
    return _solve_tridiagonal(diagonal, -stiffness, distance * turn.T).T


@cache
def _smoothing_matrix(count: int, dt: float, penalty: float) -> Floats:
    """The symmetric matrix (count, count) that smooths measured speeds."""
    second = np.diff(np.eye(count), n=2, axis=0) if count > 2 else np.zeros((1, count))
    return np.asarray(np.linalg.inv(np.eye(count) + penalty / dt**4 * second.T @ second), np.float64)


def _solve_tridiagonal(diagonal: Floats, off_diagonal: float, right_side: Floats) -> Floats:
    """Solve N symmetric systems of M equations with diagonals (M, N) and right sides (M, N)."""
    ratio, solved = np.empty_like(diagonal), np.empty_like(diagonal)
    pivot, last = diagonal[0], right_side[0] / diagonal[0]
    solved[0] = last
    for m in range(1, len(diagonal)):
        ratio[m] = off_diagonal / pivot
        pivot = diagonal[m] - off_diagonal * ratio[m]
        last = (right_side[m] - off_diagonal * last) / pivot
        solved[m] = last
    for m in range(len(diagonal) - 2, -1, -1):
        solved[m] -= ratio[m + 1] * solved[m + 1]
    return solved
