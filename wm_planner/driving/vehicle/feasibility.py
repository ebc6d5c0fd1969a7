"""Kinematic feasibility of trajectories: reconstruct the commands between consecutive states.

Source: commonroad-drivability-checker (feasibility_checker, position-orientation objective and criteria) for
its kinematic single-track model. It runs SLSQP on one pair of states at a time; this runs Gauss-Newton on all
at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.angles import wrap_difference
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

POSITION_M = 2e-2
"""Tolerance of x and of y for a state to count as reached."""
YAW_RAD = 3e-2
"""Tolerance of yaw."""

_DECIMALS = 4  # errors are rounded to these before they are compared with the tolerances
_ITERATIONS = 8
_DIFFERENCE = 1e-4  # of a command for finite differences, in m/s^2 or rad/s


class Reconstruction(NamedTuple):
    """The commands between the states of a trajectory.

    Attributes:
        commands: best-fitting accelerations and steering rates, (..., T - 1, 2).
        reached: whether they reach each state after the first, (..., T - 1).
    """

    commands: Floats
    reached: NDArray[np.bool_]


def reconstruct_commands(vehicle: Vehicle, states: ArrayLike, dt: float) -> Reconstruction:
    """Reconstruct the commands of trajectories.

    Commands respect the vehicle's bounds and the friction circle: longitudinal and centripetal acceleration
    combined do not exceed `max_acceleration`. Each step starts from the given state, so that errors do not
    accumulate.

    Args:
        states: of the rear axle, (..., T, 6), columns as in vehicle.py.
        dt: step duration, in s.

    Raises:
        ShapeError: if the states are not (..., T, 6) with T >= 2.
    """
    given = checked(states, "states", None, 6)
    if given.shape[-2] < 2:
        raise ShapeError(f"states have shape {given.shape}, wanted two or more steps")
    before, after = given[..., :-1, :], given[..., 1:, :]
    centripetal = before[..., SPEED] * vehicle.yaw_rate(before)
    grip = np.sqrt(np.maximum(vehicle.max_acceleration**2 - centripetal**2, 0.0))
    highest = np.stack([grip, np.full_like(grip, vehicle.max_steering_rate)], axis=-1)
    commands = np.zeros_like(highest)
    commands[..., 0] = np.clip((after[..., SPEED] - before[..., SPEED]) / dt, -grip, grip)
    for _ in range(_ITERATIONS):
        commands = np.clip(
            commands - _gauss_newton_step(vehicle, before, after, commands, dt), -highest, highest
        )
    off = np.round(np.abs(_errors(vehicle, before, after, commands, dt)), _DECIMALS)
    near = (off[..., 0] < POSITION_M) & (off[..., 1] < POSITION_M) & (off[..., 3] < YAW_RAD)
    return Reconstruction(commands, near & (np.abs(centripetal) <= vehicle.max_acceleration))


def is_feasible(vehicle: Vehicle, states: ArrayLike, dt: float) -> NDArray[np.bool_]:
    """Whether trajectories (..., T, 6) of the rear axle are feasible, (...)."""
    return np.asarray(reconstruct_commands(vehicle, states, dt).reached.all(axis=-1))


def _errors(vehicle: Vehicle, before: Floats, after: Floats, commands: Floats, dt: float) -> Floats:
    """Errors of x, y, speed and yaw (..., 4) after commands (..., 2)."""
    error = vehicle.step(before, commands, dt) - after
    error[..., YAW] = wrap_difference(error[..., YAW])
    return error[..., [0, 1, SPEED, YAW]]


def _gauss_newton_step(
    vehicle: Vehicle, before: Floats, after: Floats, commands: Floats, dt: float
) -> Floats:
    """The Gauss-Newton step (..., 2) to subtract from commands (..., 2)."""
    errors = _errors(vehicle, before, after, commands, dt)
    varied = (_errors(vehicle, before, after, commands + step, dt) for step in _DIFFERENCE * np.eye(2))
    first, second = ((each - errors) / _DIFFERENCE for each in varied)
    a, b, d = (first**2).sum(-1) + 1e-12, (first * second).sum(-1), (second**2).sum(-1) + 1e-12
    p, q = (first * errors).sum(-1), (second * errors).sum(-1)
    solved: Floats = np.stack([d * p - b * q, a * q - b * p], axis=-1) / (a * d - b * b)[..., None]
    return solved
