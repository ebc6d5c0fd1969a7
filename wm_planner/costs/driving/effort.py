"""CommonRoad's terms of accelerations and steering, integrated over the drive."""

import numpy as np

from wm_planner import config
from wm_planner.costs.base import Array, Context, Rollout
from wm_planner.costs.driving.imagined import REQUIRES, imagined


class SquaredAcceleration:
    """Integral of squared acceleration, in m^2/s^3: CommonRoad's A."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        pull = np.diff(seen.drives.speed, axis=1) / seen.drives.dt
        return np.square(pull).sum(axis=1) * seen.drives.dt


class SquaredJerk:
    """Integral of squared jerk along the way, in m^2/s^5: CommonRoad's J."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        jerk = np.diff(seen.drives.speed, n=2, axis=1) / seen.drives.dt**2
        return np.square(jerk).sum(axis=1) * seen.drives.dt


class SquaredYawRate:
    """Integral of squared yaw rate, in rad^2/s: stands for CommonRoad's SA."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        rate = np.diff(seen.drives.states[..., 2], axis=1) / seen.drives.dt
        return np.square(rate).sum(axis=1) * seen.drives.dt
