"""What a learned model of traffic sees and does: its picture, its step, its action.

A step of 0.4 s is four of a scenario: at 10 m/s the picture moves by four of its pixels, where in 0.1 s
it would move by one and copying it would be nearly right; ten steps are the 4 s that drivers plan.
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
"""48 m ahead and 16 behind; one picture shows how fast everybody drives, so that it says what comes next."""

STEP_S = 0.4

ACTION = ActionSpec(
    names=("acceleration", "curvature"), units=("m/s^2", "1/m"), low=(-8.0, -0.2), high=(8.0, 0.2)
)
"""Means over a step. A curvature needs no memory of the steering, as its rate would."""


def steps_per_action(dt: float) -> int:
    """How many steps of `dt` s of a scenario are one of the model.

    Raises:
        ConfigError: if that is no whole number.
    """
    every = round(STEP_S / dt)
    if every < 1 or abs(every * dt - STEP_S) > 1e-6:
        raise ConfigError(f"a step of a scenario is {dt:g} s, wanted one that divides {STEP_S:g} s")
    return every


def actions_from_motion(
    speed: Floats, steering: Floats, wheelbase_m: float, dt: float
) -> NDArray[np.float32]:
    """The actions (..., H, 2) of a drive; what is left of a step is left out.

    Args:
        speed, steering: now and after each of T steps of the scenario, (..., T + 1), in m/s and rad.
        dt: of these, in s.
    """
    every = steps_per_action(dt)
    count = (speed.shape[-1] - 1) // every
    bend = np.tan(steering[..., : count * every + 1]) / wheelbase_m
    mean = 0.5 * (bend[..., 1:] + bend[..., :-1])
    curvature = mean.reshape(*mean.shape[:-1], count, every).mean(axis=-1)
    pull = np.diff(speed[..., : count * every + 1 : every], axis=-1) / STEP_S
    actions = np.stack([pull, curvature], axis=-1)
    return np.asarray(np.clip(actions, ACTION.low, ACTION.high), np.float32)


def actions_from_states(states: Floats, vehicle: Vehicle, dt: float) -> NDArray[np.float32]:
    """The actions (..., H, 2) that lead along states (..., T + 1, 6) of a vehicle."""
    return actions_from_motion(states[..., SPEED], states[..., STEERING], vehicle.wheelbase_m, dt)
