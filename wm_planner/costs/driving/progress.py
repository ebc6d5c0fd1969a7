"""How far, how fast and where drives get."""

import numpy as np

from wm_planner import config
from wm_planner.costs.base import Array, Context, Rollout
from wm_planner.costs.driving.imagined import REQUIRES, imagined
from wm_planner.driving.metrics.navsim import lane_keeping
from wm_planner.driving.tracks import YAW

_FASTEST = 50.0  # m/s, where nothing limits


class Progress:
    """What is not gained on the route of what the wanted speeds allow, as a share: EP without an expert."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        s, now = seen.projection.s, float(seen.drives.speed[0, 0])
        allowed = min(seen.prospect.view.path.wanted(float(s[0, 0]), now), _FASTEST)
        most = max(max(allowed, now) * (seen.drives.steps - 1) * seen.drives.dt, 1.0)
        return 1 - (s[:, -1] - s[:, 0]) / most


class Overspeed:
    """How much faster than wanted a drive is, the mean, in m/s: nuPlan's speed limit, and bends."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return seen.overspeed


class LaneKeeping:
    """1 where the route's line is left by 0.5 m for 2 s: NAVSIM's LK."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - lane_keeping(seen.drives, seen.prospect.view.drive.situation)


class OffCentre:
    """Mean squared distance to the path, in m^2: CommonRoad's LC."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return np.square(seen.projection.d).mean(axis=1)


class Heading:
    """Mean squared angle to the path, in rad^2: CommonRoad's O."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        turn = np.angle(np.exp(1j * (seen.drives.states[..., YAW] - seen.projection.yaw)))
        return np.square(turn).mean(axis=1)


class Arrival:
    """By how much the goal will be missed, in m; see `Aim.shortfall`."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return seen.shortfall_m


class WantedSpeed:
    """Mean squared difference to the wanted speed, in m^2/s^2: CommonRoad's V along the way."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        s = seen.projection.s
        wanted = seen.prospect.view.path.wanted_by(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.square(seen.drives.speed - np.minimum(wanted, _FASTEST)).mean(axis=1)
