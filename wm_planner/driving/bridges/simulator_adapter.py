"""A traffic scenario on the bus: map and route once per drive, the ego and the other agents every tick."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import camera_topic
from wm_planner.contracts.observation import Observation
from wm_planner.driving.bridges.messages import (
    Objects,
    command_of,
    map_message,
    objects_message,
    odometry_message,
    route_message,
)
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.vehicle.braking import standstill_command
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image


class TrafficAdapter:
    """Obeys /drive; see `bridges.simulators.SimulatorAdapter`."""

    command_topic, restates = "/drive", True

    def __init__(self, simulator: DrivingSimulator) -> None:
        self.simulator = simulator

    @property
    def topics(self) -> tuple[str, ...]:
        cameras = (camera_topic(name) for name in self.simulator.scene.cameras)
        return ("/clock", "/map", "/route", "/odom", "/objects", *cameras)

    def latched_messages(self, stamp_ns: int) -> dict[str, m.Message]:
        drive, vehicle = self.simulator.drive, self.simulator.vehicle
        scenario = replace(self.simulator.scenario, problems=(drive.problem,))
        return {
            "/map": map_message(scenario, vehicle.size.tolist(), stamp_ns),
            "/route": route_message(drive.line.points, stamp_ns),
        }

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        ego, vehicle = self.simulator.now.ego, self.simulator.vehicle
        pictures = observation.images.items()
        return {
            "/clock": m.Clock(clock=m.time(stamp_ns)),
            "/odom": odometry_message(vehicle.at_centre(ego)[:4], float(vehicle.yaw_rate(ego)), stamp_ns),
            "/objects": objects_message(self._objects(), stamp_ns),
        } | {camera_topic(name): image(picture, stamp_ns, name) for name, picture in pictures}

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        return command_of(message, self.simulator.now.ego, self.simulator.scenario.dt)

    def stop_command(self) -> NDArray[np.float64]:
        """Brake to a standstill, with the front wheels as they are."""
        return standstill_command(float(self.simulator.now.ego[SPEED]), self.simulator.scenario.dt)

    def why_missed(self) -> str:
        return self.simulator.why_missed()

    def _objects(self) -> Objects:
        """The agents that are present now."""
        tracks, states = self.simulator.scenario.tracks, self.simulator.now.agents.states
        rows = np.flatnonzero(np.isfinite(states[:, 0]))
        return Objects(
            ids=tuple(tracks.ids[row] for row in rows),
            kinds=tuple(tracks.kinds[row] for row in rows),
            sizes=tracks.sizes[rows],
            states=states[rows],
            forecasts=np.empty((len(rows), 0, 4)),
        )
