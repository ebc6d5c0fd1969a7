"""Path following behind the leader by the IDM: nuPlan's simplest planner."""

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
    """Follows the path at its target speeds; the leader is predicted at constant speed."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Car following.

        Attributes:
            idm: parameters of the IDM; nuPlan's planner brakes with 3 m/s^2.
            horizon: steps of a plan; the tracker needs 10 or more.
            margin_m: lateral margin on both sides of the ego within which an obstacle is a leader, in m.
        """

        idm: IDM = IDM(braking=3.0)
        horizon: config.Positive = 40
        margin_m: float = 0.3

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle on the path, (H + 1, 3)."""
        line, vehicle = view.path.line, view.vehicle
        s = start_s = float(line.project(vehicle.at_centre(view.ego)[:2]).s)
        half_size = vehicle.length_m / 2, vehicle.width_m / 2 + self.config.margin_m
        states = view.obstacles.states[0]
        boxes = FrenetBoxes.from_boxes(line, oriented_boxes(states, view.obstacles.sizes), states[:, SPEED])
        gap, leader_speed = boxes.leader(s, *half_size)
        arc_lengths, speed = [s], max(float(view.ego[SPEED]), 0.0)
        red_light_gap = distance_to_red_light(view.path, s + half_size[0], speed, view.lights, view.step)
        gap, leader_speed = (red_light_gap, 0.0) if red_light_gap < gap else (gap, leader_speed)
        for step in range(self.config.horizon):
            gap_now = gap + max(leader_speed, 0.0) * step * view.dt - (s - start_s)
            target_speed = view.path.target_speed(s, speed)
            acceleration = self.config.idm.accelerations(speed, gap_now, leader_speed, target_speed)
            s, speed = (float(each) for each in advance(s, speed, acceleration, view.dt))
            arc_lengths.append(s)
        return line.poses(np.array(arc_lengths) - vehicle.rear_to_centre_m)
