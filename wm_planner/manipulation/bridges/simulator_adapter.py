"""Messages of a simulated arm: publishes joint states, tool pose and images, obeys joint targets."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import camera_topic, sensor_messages
from wm_planner.contracts.observation import Observation
from wm_planner.messaging import messages as m
from wm_planner.simulation.arm_simulator import ArmSimulator


class ArmAdapter:
    """Applies /command to the actuators; see `bridges.simulators.SimulatorAdapter`."""

    command_topic = "/command"

    def __init__(self, simulator: ArmSimulator) -> None:
        self.simulator = simulator

    @property
    def topics(self) -> tuple[str, ...]:
        cameras = (camera_topic(name) for name in self.simulator.scene.cameras)
        return ("/clock", "/joint_states", "/tcp_pose", *cameras)

    def latched_messages(self, stamp_ns: int) -> dict[str, m.Message]:
        return {}

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        return sensor_messages(observation, self.simulator.joints, stamp_ns)

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        return np.asarray(message.points[0].positions)

    def stop_command(self) -> None:
        """Nothing to do: the servos hold their last targets."""
