"""Input and output of learned traffic models: image format, step duration and actions.

A step of 0.4 s spans four steps of a scenario. At 10 m/s the image moves by four pixels per step; with 0.1 s
it would move by one, and copying the image would be almost correct. Ten steps are the 4 s that drivers plan.
"""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.vehicle import STEERING, Vehicle
from wm_planner.errors import ConfigError

Floats = NDArray[np.float64]

IMAGE = BirdsEyeRenderer.Config(size_px=64, metres_per_px=1.0, ahead_m=16.0, motion_s=1.0)
"""48 m ahead and 16 m behind; speeds are drawn as lines, so that a single image determines the next one."""

STEP_S = 0.4

ACTION = ActionSpec(
    names=("acceleration", "curvature"), units=("m/s^2", "1/m"), low=(-8.0, -0.2), high=(8.0, 0.2)
)
"""Means over a step. Unlike its rate, the curvature does not depend on the previous steering angle."""


def steps_per_action(dt: float) -> int:
    """Number of scenario steps of `dt` s per step of the model.

    Raises:
        ConfigError: if it is not an integer.
    """
    count = round(STEP_S / dt)
    if count < 1 or abs(count * dt - STEP_S) > 1e-6:
        raise ConfigError(f"a step of a scenario is {dt:g} s, wanted one that divides {STEP_S:g} s")
    return count


def actions_from_motion(
    speed: Floats, steering: Floats, wheelbase_m: float, dt: float
) -> NDArray[np.float32]:
    """Actions (..., H, 2) of a trajectory; an incomplete last action is dropped.

    Args:
        speed, steering: at the start and after each of T scenario steps, (..., T + 1), in m/s and rad.
        dt: duration of a scenario step, in s.
    """
    steps = steps_per_action(dt)
    count = (speed.shape[-1] - 1) // steps
    curvatures = np.tan(steering[..., : count * steps + 1]) / wheelbase_m
    mean = 0.5 * (curvatures[..., 1:] + curvatures[..., :-1])
    curvature = mean.reshape(*mean.shape[:-1], count, steps).mean(axis=-1)
    acceleration = np.diff(speed[..., : count * steps + 1 : steps], axis=-1) / STEP_S
    actions = np.stack([acceleration, curvature], axis=-1)
    return np.asarray(np.clip(actions, ACTION.low, ACTION.high), np.float32)


def actions_from_states(states: Floats, vehicle: Vehicle, dt: float) -> NDArray[np.float32]:
    """Actions (..., H, 2) of a vehicle along states (..., T + 1, 6)."""
    return actions_from_motion(states[..., SPEED], states[..., STEERING], vehicle.wheelbase_m, dt)
