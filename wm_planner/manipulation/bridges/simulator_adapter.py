"""Messages of a simulated arm: publishes joint states, tool pose and images, obeys joint targets."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import (
    JOINT_STATES,
    POSE_STATE,
    WHOLE_POSE,
    camera_topic,
    sensor_messages,
    state_topic,
    targets_of,
)
from wm_planner.bridges.statements import COMMAND, EFFORTS, POSITIONS, STATE, values
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.control.ee_delta import load_model
from wm_planner.control.motors import Motors
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.world_models.physics.plant import TRUTH

LONGEST_S = 60.0  # a longer movement to one target is a mistake, and its steps would not fit into memory


class ArmAdapter:
    """Applies /command to the actuators; see `bridges.simulators.SimulatorAdapter`."""

    command_topic = "/command"

    @classmethod
    def facts(cls, environment: EnvironmentSpec) -> Facts:
        """The states that an arm publishes, and whether it obeys positions or efforts.

        Raises:
            SimulationError: if its MJCF cannot be compiled, or has motors and servos.
        """
        sizes = {each.name: values(each.size) for each in getattr(environment, "state", ())}
        joints = dict.fromkeys(JOINT_STATES, sizes.get("joint_positions"))
        pose = {POSE_STATE: values(3)}
        if WHOLE_POSE in sizes:
            pose[WHOLE_POSE] = sizes[WHOLE_POSE]
        obeys = {COMMAND: EFFORTS if _has_motors(environment) else POSITIONS}
        return Facts(obeys, offers={STATE: {**pose, **joints}})

    def __init__(self, simulator: ArmSimulator) -> None:
        self.simulator = simulator
        self._motors = simulator.motors

    @property
    def topics(self) -> tuple[str, ...]:
        cameras = (camera_topic(name) for name in self.simulator.scene.cameras)
        states = (each.name for each in getattr(self.simulator.scene, "state", ()))
        pose = [state_topic(WHOLE_POSE)] if WHOLE_POSE in states else []
        return ("/clock", "/joint_states", "/tcp_pose", *pose, *cameras)

    def latched_messages(self, stamp_ns: int) -> dict[str, m.Message]:
        return {}

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        return sensor_messages(observation, self.simulator.joints, stamp_ns)

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        """Targets of all joints, by name, which move to them within the time of the command.

        Those of joints that the command does not name stay as they are.

        Raises:
            InputError: if it names joints of another arm, carries positions for motors or torques for
                servos, a target is not finite, or the movement takes longer than `LONGEST_S`.
        """
        if self._motors is not None:
            return self._controls(message, self._motors)
        if message.points and len(message.points[0].effort):
            raise InputError(
                f"/command carries torques of {', '.join(message.joint_names)}, whose actuators are servos: "
                "give the controller the mode `position` or `velocity` (controller: params.control.mode)"
            )
        targets, joints = targets_of(message), self.simulator.joints
        if (within_s := m.seconds_of(message.points[0].time_from_start)) > LONGEST_S:
            raise InputError(
                f"/command takes {within_s:g} s to its target, wanted at most {LONGEST_S:g} s: send targets "
                "at the rate of the controller"
            )
        if within_s > 0:
            self.simulator.ramp_s = within_s
        if unknown := set(message.joint_names) - set(joints):
            raise InputError(
                f"/command moves {', '.join(sorted(unknown))}, the joints are {', '.join(joints)}: is the "
                "controller set up for another robot?"
            )
        given = dict(zip(message.joint_names, targets, strict=True))
        held = zip(joints, self.simulator.actuator_targets, strict=True)
        return np.array([given.get(name, target) for name, target in held])

    def stop_command(self) -> NDArray[np.float64] | None:
        """The controls of motors that brake and then hold; None for servos, which hold their last targets."""
        return self.simulator.stop_command()

    def _controls(self, message: m.Message, motors: Motors) -> NDArray[np.float64]:
        """The controls of all motors, for torques of exactly these joints."""
        carried = message.points[0].effort if message.points else ()
        if tuple(message.joint_names) != motors.joints or not len(carried):
            raise InputError(
                f"/command carries no torques of the motors of {', '.join(motors.joints)}: use control: "
                "{type: joint, mode: torque, robot: MJCF}"
            )
        return motors.controls(targets_of(message, "effort"))


class TruthAdapter(ArmAdapter):
    """Publishes also the complete physics of a scene, for `{type: physics}` of the planner."""

    @classmethod
    def facts(cls, environment: EnvironmentSpec) -> Facts:
        """What an arm states, and the states of its physics."""
        facts = super().facts(environment)
        return replace(facts, offers={STATE: {**facts.offers[STATE], **dict.fromkeys(TRUTH)}})

    @property
    def topics(self) -> tuple[str, ...]:
        return (*super().topics, *map(state_topic, TRUTH))

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        truth = {state_topic(name): m.signal(name, observation.state[name], stamp_ns) for name in TRUTH}
        return super().sensors(observation, stamp_ns) | truth


def _has_motors(environment: EnvironmentSpec) -> bool:
    file = getattr(environment, "model_file", None)
    return file is not None and file.suffix == ".xml" and Motors.if_any(load_model(file)) is not None
