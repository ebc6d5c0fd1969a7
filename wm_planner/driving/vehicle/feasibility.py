"""Whether a vehicle can drive a trajectory: commands between its states are looked for.

Source: commonroad-drivability-checker (feasibility_checker, its position-orientation objective and
criteria), for its kinematic single track. There SLSQP looks at one pair of states at a time; here Gauss and
Newton at all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

POSITION_M = 2e-2
"""A state is reached where x and y are less than this off, each,"""
YAW_RAD = 3e-2
"""and yaw less than this."""

_DECIMALS = 4  # to which errors are rounded before they are compared
_ITERATIONS = 8
_DIFFERENCE = 1e-4  # of a command, in m/s^2 or rad/s, for a slope


class Reconstruction(NamedTuple):
    """What leads from each state of a trajectory to the next.

    Attributes:
        commands: accelerations and steering rates (..., T - 1, 2) that come closest.
        reached: which of the states but the first they reach, (..., T - 1).
    """

    commands: Floats
    reached: NDArray[np.bool_]


def reconstruct_commands(vehicle: Vehicle, states: ArrayLike, dt: float) -> Reconstruction:
    """Look for the commands of trajectories (..., T, 6) of the rear axle; columns as in vehicle.py.

    Within the vehicle's bounds, and with acceleration and centripetal acceleration together not above its
    `acceleration` (the friction circle). Each state is reached from the one given before it.

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
    """Whether trajectories (..., T, 6) of the rear axle can be driven, (...)."""
    return np.asarray(reconstruct_commands(vehicle, states, dt).reached.all(axis=-1))


def _errors(vehicle: Vehicle, before: Floats, after: Floats, commands: Floats, dt: float) -> Floats:
    """How far x, y, speed and yaw are off after commands (..., 2), (..., 4)."""
    error = vehicle.step(before, commands, dt) - after
    error[..., YAW] -= 2 * np.pi * np.round(error[..., YAW] / (2 * np.pi))
    return error[..., [0, 1, SPEED, YAW]]


def _gauss_newton_step(
    vehicle: Vehicle, before: Floats, after: Floats, commands: Floats, dt: float
) -> Floats:
    """The step of Gauss and Newton that commands (..., 2) are to be lessened by."""
    here = _errors(vehicle, before, after, commands, dt)
    nudged = (_errors(vehicle, before, after, commands + nudge, dt) for nudge in _DIFFERENCE * np.eye(2))
    first, second = ((there - here) / _DIFFERENCE for there in nudged)
    a, b, d = (first**2).sum(-1) + 1e-12, (first * second).sum(-1), (second**2).sum(-1) + 1e-12
    p, q = (first * here).sum(-1), (second * here).sum(-1)
    solved: Floats = np.stack([d * p - b * q, a * q - b * p], axis=-1) / (a * d - b * b)[..., None]
    return solved
