"""What nuPlan, PDM and NAVSIM forbid: 0 where it is kept, up to 1."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.planners.proposal_scoring import ScoredProposals


class Collision(DrivingCost):
    """Share of the drive that is left when somebody is touched first, 0 where nobody is.

    Who is touched now already is passed over."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.contact_step / proposals.trajectories.steps


class AtFaultCollision(DrivingCost):
    """1 by a collision at fault with a road user, 0.5 with an object: PDM's NC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.no_at_fault_collisions


class TimeToCollision(DrivingCost):
    """Share of the drive from the moment on after which a collision would follow within 0.9 s."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.ttc_step / proposals.trajectories.steps


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

    def evaluate(self, proposals: ScoredProposals) -> Array:
        found = oriented_boxes(proposals.trajectories.states, proposals.trajectories.vehicle.size)
        off = proposals.context.view.drive.road_context.area.signed_distance(box_corners(found))
        return np.maximum(off.max(axis=(1, 2)) + self.config.margin_m, 0.0)


class DrivingDirection(DrivingCost):
    """1 where 6 m and more are driven off the lanes of the route, 0.5 from 2 m on: PDM's DDC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.driving_direction


class TrafficLight(DrivingCost):
    """1 where a red light is run: NAVSIM's TLC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        lights = proposals.context.view.drive.road_context.red_lights
        return np.asarray(lights.violations(proposals.trajectories, proposals.context.view.step), np.float64)
