"""Simulators on the bus whose commands are actions: signals and pictures every tick, moved by /command."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import camera_topic, signal_messages, state_topic, targets_of
from wm_planner.bridges.statements import STATE, action_statements, values
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import EnvironmentSpec, Simulator
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts


class SignalAdapter:
    """Publishes each state on its own topic and obeys /command; see `bridges.simulators.SimulatorAdapter`."""

    command_topic = "/command"

    @classmethod
    def facts(cls, environment: EnvironmentSpec) -> Facts:
        """The action of an environment, and the states that its attribute `state` lists, if it has one."""
        agrees = action_statements(environment.action)
        if not hasattr(environment, "state"):
            return Facts(agrees)
        return Facts(agrees, {STATE: {each.name: values(each.size) for each in environment.state}})

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._states = tuple(simulator.observe().state)

    @property
    def topics(self) -> tuple[str, ...]:
        cameras = map(camera_topic, self.simulator.scene.cameras)
        return ("/clock", *map(state_topic, self._states), *cameras)

    def latched_messages(self, stamp_ns: int) -> dict[str, m.Message]:
        return {}

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        return signal_messages(observation, stamp_ns)

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        """The action that /command carries.

        Raises:
            InputError: if it is that of another environment, or not finite.
        """
        names = self.simulator.scene.action.names
        if tuple(message.joint_names) != names:
            raise InputError(
                f"/command moves {', '.join(message.joint_names)}, actions of {self.simulator.scene.name} "
                f"are {', '.join(names)}: is the controller set up for another environment?"
            )
        return targets_of(message)

    def stop_command(self) -> NDArray[np.float64] | None:
        """The action nearest to zero; None where the last one is repeated: choices and set points."""
        action = self.simulator.scene.action
        return None if action.choices or action.absolute else np.clip(0.0, action.low, action.high)
