"""Traffic rules of nuPlan, PDM and NAVSIM: 0 where a rule is kept, at most 1 unless noted."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.planners.proposal_scoring import ScoredProposals


class Collision(DrivingCost):
    """Fraction of the trajectory that is left at the first contact with any obstacle; 0 without contact.

    Obstacles that the ego touches now are ignored."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.contact_step / proposals.trajectories.steps


class AtFaultCollision(DrivingCost):
    """1 for a collision at fault with a road user, 0.5 with an object: PDM's NC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.no_at_fault_collisions


class TimeToCollision(DrivingCost):
    """Fraction of the trajectory from the first time to collision of 0.9 s or less on."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.ttc_step / proposals.trajectories.steps


class DrivableArea(DrivingCost):
    """Largest distance by which a corner comes closer to the edge of the drivable area than a margin, in m.

    The distance is interpolated on a grid and smooth, unlike PDM's DAC, which tests polygons."""

    class Config(DrivingCost.Config, frozen=True, kw_only=True):
        """Distance to keep.

        Attributes:
            margin_m: distance to the edge, inside of the drivable area.
        """

        margin_m: float = 0.2

    config: Config

    def evaluate(self, proposals: ScoredProposals) -> Array:
        boxes = oriented_boxes(proposals.trajectories.states, proposals.trajectories.vehicle.size)
        distance = proposals.context.view.drive.road_context.area.signed_distance(box_corners(boxes))
        return np.maximum(distance.max(axis=(1, 2)) + self.config.margin_m, 0.0)


class DrivingDirection(DrivingCost):
    """1 for 6 m or more off the route's lanes, 0.5 for 2 m or more: PDM's DDC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.pdm.driving_direction


class TrafficLight(DrivingCost):
    """1 for running a red light: NAVSIM's TLC."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        lights = proposals.context.view.drive.road_context.red_lights
        return np.asarray(lights.violations(proposals.trajectories, proposals.context.view.step), np.float64)
