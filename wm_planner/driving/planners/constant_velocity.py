"""The simplest baseline: drive straight ahead at the current speed."""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.forecasts import constant_velocity

Floats = NDArray[np.float64]


class ConstantVelocity:
    """Keeps the current velocity, like NAVSIM's agent of that name."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Length of the plan.

        Attributes:
            horizon: steps of a plan.
        """

        horizon: config.Positive = 40

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle straight ahead, (H + 1, 3)."""
        now = view.ego[:4]
        ahead = constant_velocity(now, view.dt, self.config.horizon)
        return np.concatenate([now[None], ahead])[:, :3]
