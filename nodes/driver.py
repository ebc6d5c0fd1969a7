"""The driver node: from map, route, odometry and objects to /drive, by a planner and the tracker behind it.

It answers every tick. In realtime it is the newest one, and a vehicle that hears nothing more keeps to the
speed and the angle that it was told last.
"""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from wm_planner.clock import nanoseconds, seconds
from wm_planner.config import Config
from wm_planner.driving.bridges.messages import (
    drive_message,
    ego_state_of,
    objects_of,
    route_message,
    route_of,
    scenario_of,
)
from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.base import View, build_driver, checked_plan
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import PlanningProblem, Start
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import STEERING, VEHICLES, VehicleName
from wm_planner.errors import NodeError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run


class Driver(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Who drives what.

        Attributes:
            planner: `{type: idm, ...}`.
            vehicle: the one that is driven.
            speed: wanted where no limit is known, in m/s.
        """

        planner: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "idm"})
        vehicle: VehicleName = "bmw_320i"
        speed: float = 10.0

    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        build_driver(params.planner, "driver: params.planner")

    def configure(self) -> None:
        self.planner = build_driver(self.params.planner, "driver: params.planner")
        self.vehicle = VEHICLES[self.params.vehicle]
        self.ego, self.drive = np.zeros(6), None
        self.plans = 0
        self.out, self.plan = self.publisher("/drive"), self.publisher("/plan_path")
        self.info = self.publisher("/plan_info")
        self.subscribe("/map", self.on_map)
        self.subscribe("/route", self.on_route)
        self.join(["/odom", "/objects"], self.on_tick)

    def on_map(self, message: m.Message, envelope: Envelope) -> None:
        self.scenario, self.began_ns = scenario_of(message), m.stamp_ns(message)
        if not np.allclose(message.ego_size, self.vehicle.size, atol=0.01):
            raise NodeError(
                f"the ego is {message.ego_size.tolist()} m long and wide, a {self.params.vehicle} "
                f"{self.vehicle.size.tolist()}: give the one that is driven (driver: params.vehicle)"
            )
        self.tracker = Tracker(Tracker.Config(), self.vehicle, self.scenario.dt)
        self.drive, self.ego = None, np.zeros(6)

    def on_route(self, message: m.Message, envelope: Envelope) -> None:
        line = route_of(message)
        scenario = (
            self.scenario if self.scenario.problems else replace(self.scenario, problems=(along(line),))
        )
        self.drive = Drive(scenario, self.vehicle, route=line, speed=self.params.speed)

    def on_tick(self, heard: dict[str, m.Message], envelope: Envelope) -> None:
        if self.drive is None:
            return
        stamp_ns, began_ns = m.stamp_ns(heard["/odom"]), self.clock.now_ns()
        self.ego = self.sensed(heard["/odom"])
        poses = checked_plan(self.planner.plan(self.view(heard["/objects"], stamp_ns)))
        command = self.tracker.commands(self.ego[None], self.tracker.reference(poses[None]), 0)[0]
        origin_ns = envelope.origin_ns
        self.out.publish(drive_message(self.ego, command, self.scenario.dt, stamp_ns), origin_ns)
        self.ego = self.vehicle.step(self.ego, command, self.scenario.dt)  # what is steered by then
        self.plan.publish(route_message(poses[:, :2], stamp_ns), origin_ns)
        self.tell(stamp_ns, seconds(self.clock.now_ns() - began_ns), origin_ns)

    def sensed(self, odometry: m.Message) -> np.ndarray:
        """The vehicle's state (6,); what odometry does not tell is as it was left."""
        centre = ego_state_of(odometry)
        state = self.vehicle.at_rear_axle(np.concatenate([centre, self.ego[4:]]))
        turn = odometry.twist.twist.angular.z
        state[STEERING] = self.vehicle.steering_for_yaw_rate(turn, state[SPEED], default=state[STEERING])
        return state

    def view(self, message: m.Message, stamp_ns: int) -> View:
        objects = objects_of(message)
        ids = np.array(objects.ids, np.int64)
        agents = ObstacleBoxes(objects.states[None], objects.sizes, objects.kinds, ids)
        passed = round((stamp_ns - self.began_ns) / nanoseconds(self.scenario.dt))
        return View(self.drive, self.ego, agents, self.drive.first_step + passed)

    def tell(self, stamp_ns: int, elapsed_s: float, origin_ns: int) -> None:
        self.plans += 1
        message = m.PlanInfo(
            header=m.header(stamp_ns),
            plan_id=self.plans,
            goal_id=0,
            cost=np.nan,
            violation=0.0,
            term_names=[],
            term_values=np.empty(0),
            spread=np.empty(0, np.float32),
            iterations=1,
            evaluations=1,
            elapsed_s=elapsed_s,
            input_age_s=seconds(self.clock.now_ns() - origin_ns),
            deadline_hit=False,
            fallback=False,
            seed=0,
        )
        self.info.publish(message, origin_ns)


def along(line: np.ndarray) -> PlanningProblem:
    """The problem of following a line (P, 2), for a map that tells none."""
    (x, y), (dx, dy) = line[0], line[1] - line[0]
    return PlanningProblem(0, Start(x, y, float(np.arctan2(dy, dx)), 0.0), ())


if __name__ == "__main__":
    run(Driver)
