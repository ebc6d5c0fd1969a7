"""Drive along the way behind whoever is on it, as the IDM tells: nuPlan's simplest planner."""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.boxes import boxes
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.map.corridor import Corridor
from wm_planner.driving.planners.base import View
from wm_planner.driving.traffic.agent_paths import red_ahead
from wm_planner.driving.traffic.car_following import IDM, advanced

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
        s = start = float(line.project(vehicle.centred(view.ego)[:2]).s)
        half = vehicle.length_m / 2, vehicle.width_m / 2 + self.config.margin_m
        seen = view.obstacles.states[0]
        gap, leader = Corridor.of(line, boxes(seen, view.obstacles.sizes), seen[:, SPEED]).leader(s, *half)
        places, speed = [s], max(float(view.ego[SPEED]), 0.0)
        red = red_ahead(view.path, s + half[0], speed, view.lights, view.step)
        gap, leader = (red, 0.0) if red < gap else (gap, leader)
        for step in range(self.config.horizon):
            left = gap + max(leader, 0.0) * step * view.dt - (s - start)
            pull = self.config.idm.accelerations(speed, left, leader, view.path.wanted(s, speed))
            s, speed = (float(each) for each in advanced(s, speed, pull, view.dt))
            places.append(s)
        return line.poses(np.array(places) - vehicle.rear_to_centre_m)
