"""What nuPlan, PDM and NAVSIM forbid: 0 where it is kept, up to 1."""

import numpy as np

from wm_planner import config
from wm_planner.costs.base import Array, Context, Rollout
from wm_planner.costs.driving.imagined import REQUIRES, imagined
from wm_planner.driving.boxes import boxes, corners


class Collision:
    """Share of the drive that is left when somebody is touched first, 0 where nobody is.

    Who is touched now already is passed over."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - seen.hit_step / seen.drives.steps


class AtFaultCollision:
    """1 by a collision at fault with a road user, 0.5 with an object: PDM's NC."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - seen.pdm.no_at_fault_collisions


class TimeToCollision:
    """Share of the drive from the moment on after which a collision would follow within 0.9 s."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - seen.pdm.ttc_step / seen.drives.steps


class DrivableArea:
    """How far corners come over a line before the edge of the drivable area, in m, the worst moment.

    By the grid, so it is smooth; PDM's DAC asks the polygons."""

    class Config(config.Config, frozen=True, kw_only=True):
        """How far to keep off.

        Attributes:
            margin_m: from the edge, inside of it.
        """

        margin_m: float = 0.2

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        found = boxes(seen.drives.states, seen.drives.vehicle.size)
        off = seen.prospect.view.drive.situation.area.signed_distance(corners(found))
        return np.maximum(off.max(axis=(1, 2)) + self.config.margin_m, 0.0)


class DrivingDirection:
    """1 where 6 m and more are driven off the lanes of the route, 0.5 from 2 m on: PDM's DDC."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - seen.pdm.driving_direction


class TrafficLight:
    """1 where a red light is run: NAVSIM's TLC."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        lights = seen.prospect.view.drive.situation.red_lights
        return np.asarray(lights.run(seen.drives, seen.prospect.view.step), np.float64)
