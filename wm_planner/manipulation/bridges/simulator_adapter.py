"""Messages of a simulated arm: publishes joint states, tool pose and images, obeys joint targets."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import (
    JOINT_STATES,
    POSE_STATE,
    camera_topic,
    sensor_messages,
    targets_of,
)
from wm_planner.bridges.statements import STATE, values
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts
from wm_planner.simulation.arm_simulator import ArmSimulator


class ArmAdapter:
    """Applies /command to the actuators; see `bridges.simulators.SimulatorAdapter`."""

    command_topic = "/command"

    @classmethod
    def facts(cls, environment: EnvironmentSpec) -> Facts:
        """The states that an arm publishes; the actions that move it are a matter of its controller."""
        sizes = {each.name: values(each.size) for each in getattr(environment, "state", ())}
        joints = dict.fromkeys(JOINT_STATES, sizes.get("joint_positions"))
        return Facts(offers={STATE: {POSE_STATE: values(3), **joints}})

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
        """Targets of all actuators; those of joints that the command does not name stay as they are.

        Raises:
            InputError: if it names joints of another arm, or a target is not finite.
        """
        targets, joints = targets_of(message), self.simulator.joints
        if len(targets) == len(joints):
            return targets
        if unknown := set(message.joint_names) - set(joints):
            raise InputError(
                f"/command moves {', '.join(sorted(unknown))}, the joints are {', '.join(joints)}: is the "
                "controller set up for another robot?"
            )
        given = dict(zip(message.joint_names, targets, strict=True))
        held = zip(joints, self.simulator.actuator_targets, strict=True)
        return np.array([given.get(name, target) for name, target in held])

    def stop_command(self) -> None:
        """Nothing to do: the servos hold their last targets."""
