"""Drive along the way behind whoever is on it, as the IDM tells: nuPlan's simplest planner."""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.boxes import oriented_boxes
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.map.frenet_boxes import FrenetBoxes
from wm_planner.driving.planners.base import View
from wm_planner.driving.traffic.agent_paths import distance_to_red_light
from wm_planner.driving.traffic.car_following import IDM, advance

Floats = NDArray[np.float64]


class IDMPlanner:
    """Follows the path at its wanted speeds; who is ahead is taken to keep its speed."""

    class Config(config.Config, frozen=True, kw_only=True):
        """How it drives.

        Attributes:
            idm: nuPlan's planner brakes with 3 m/s^2.
            horizon: steps of a plan, 10 or more for the tracker.
            margin_m: added to the ego's width on both sides, for who counts as ahead.
        """

        idm: IDM = IDM(braking=3.0)
        horizon: config.Positive = 40
        margin_m: float = 0.3

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle on the path, (H + 1, 3)."""
        line, vehicle = view.path.line, view.vehicle
        s = start = float(line.project(vehicle.at_centre(view.ego)[:2]).s)
        half = vehicle.length_m / 2, vehicle.width_m / 2 + self.config.margin_m
        seen = view.obstacles.states[0]
        gap, leader = FrenetBoxes.from_boxes(
            line, oriented_boxes(seen, view.obstacles.sizes), seen[:, SPEED]
        ).leader(s, *half)
        places, speed = [s], max(float(view.ego[SPEED]), 0.0)
        red = distance_to_red_light(view.path, s + half[0], speed, view.lights, view.step)
        gap, leader = (red, 0.0) if red < gap else (gap, leader)
        for step in range(self.config.horizon):
            left = gap + max(leader, 0.0) * step * view.dt - (s - start)
            pull = self.config.idm.accelerations(speed, left, leader, view.path.target_speed(s, speed))
            s, speed = (float(each) for each in advance(s, speed, pull, view.dt))
            places.append(s)
        return line.poses(np.array(places) - vehicle.rear_to_centre_m)
