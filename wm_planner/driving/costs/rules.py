"""What nuPlan, PDM and NAVSIM forbid: 0 where it is kept, up to 1."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.boxes import boxes, corners
from wm_planner.driving.planners.proposal_scoring import Outlook


class Collision(DrivingCost):
    """Share of the drive that is left when somebody is touched first, 0 where nobody is.

    Who is touched now already is passed over."""

    def of(self, seen: Outlook) -> Array:
        return 1 - seen.hit_step / seen.drives.steps


class AtFaultCollision(DrivingCost):
    """1 by a collision at fault with a road user, 0.5 with an object: PDM's NC."""

    def of(self, seen: Outlook) -> Array:
        return 1 - seen.pdm.no_at_fault_collisions


class TimeToCollision(DrivingCost):
    """Share of the drive from the moment on after which a collision would follow within 0.9 s."""

    def of(self, seen: Outlook) -> Array:
        return 1 - seen.pdm.ttc_step / seen.drives.steps


class DrivableArea(DrivingCost):
    """How far corners come over a line before the edge of the drivable area, in m, the worst moment.

    By the grid, so it is smooth; PDM's DAC asks the polygons."""

    class Config(DrivingCost.Config, frozen=True, kw_only=True):
        """How far to keep off.

        Attributes:
            margin_m: from the edge, inside of it.
        """

        margin_m: float = 0.2

    config: Config

    def of(self, seen: Outlook) -> Array:
        found = boxes(seen.drives.states, seen.drives.vehicle.size)
        off = seen.prospect.view.drive.situation.area.signed_distance(corners(found))
        return np.maximum(off.max(axis=(1, 2)) + self.config.margin_m, 0.0)


class DrivingDirection(DrivingCost):
    """1 where 6 m and more are driven off the lanes of the route, 0.5 from 2 m on: PDM's DDC."""

    def of(self, seen: Outlook) -> Array:
        return 1 - seen.pdm.driving_direction


class TrafficLight(DrivingCost):
    """1 where a red light is run: NAVSIM's TLC."""

    def of(self, seen: Outlook) -> Array:
        lights = seen.prospect.view.drive.situation.red_lights
        return np.asarray(lights.run(seen.drives, seen.prospect.view.step), np.float64)
