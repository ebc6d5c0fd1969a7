"""Exploration of scenes with a robot: motion that covers the workspace and makes contact with obstacles."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.gripper import GripperDelta
from wm_planner.data.episodes import state_row
from wm_planner.errors import SimulationError
from wm_planner.manipulation.simulation.motions import (
    Grasp,
    Motion,
    RandomOpening,
    RandomTargets,
    Seek,
    Wander,
)
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Scene

EXCURSION_M = 0.03  # tracking error without contact from which an IK solution counts as an excursion


class ArmExplorer:
    """Explores the scene of a simulator, by default MuJoCo's; see `collection.base.Explorer`."""

    signals = ()
    reason = "ik_excursion"

    Config = MujocoSimulator.Config

    def __init__(self, simulator: ArmSimulator) -> None:
        self._simulator = simulator

    @classmethod
    def from_config(cls, config: MujocoSimulator.Config) -> Self:
        """The explorer of a scene file."""
        return cls(MujocoSimulator.from_config(config))

    @property
    def environment(self) -> Scene:
        return self._simulator.scene

    @property
    def state(self) -> tuple[Quantity, ...]:
        return state_of(self._simulator)

    def episode(self, seed: int, steps: int) -> Episode | None:
        return explore(self._simulator, seed, steps)


def state_of(simulator: ArmSimulator) -> tuple[Quantity, ...]:
    """The quantities that are recorded: those that the scene names, or those of its robot."""
    declared: tuple[Quantity, ...] | None = getattr(simulator.scene, "state", None)
    if declared is not None:
        return declared
    arm = _arm(simulator)
    joints = Quantity(name="joint_positions", size=len(simulator.joints), unit="rad")
    return (Quantity(name="tcp_position", size=3, unit="m"), joints) if arm else (joints,)


def explore(simulator: ArmSimulator, seed: int, steps: int) -> Episode | None:
    """The episode of `seed`, or None if the inverse kinematics made an excursion.

    Even seeds wander, odd seeds seek or grasp.

    Raises:
        SimulationError: if the scene names an unknown quantity.
    """
    arm, rng, quantities = _arm(simulator), np.random.default_rng(seed), state_of(simulator)
    observation = simulator.arrange(simulator.scene.explore(rng))
    motion = _motion(simulator, seed, rng)
    frames, states, actions = [], [], []
    for step in range(steps + 1):
        frames.append(np.stack([observation.images[name] for name in simulator.scene.cameras]))
        state = {each.name: _measured(simulator, observation.state, each) for each in quantities}
        states.append(state_row(state, quantities))
        if step == steps:
            break
        action = motion.action(observation.state.get("tcp_position", np.full(3, np.nan)))
        command = simulator.control.command(observation.state["joint_positions"], action)
        result = simulator.step(command)
        observation = result.observation
        if arm is not None and not result.info["touched"]:
            reached = arm.position(command[: len(arm.joints)])
            if np.linalg.norm(reached - observation.state["tcp_position"]) > EXCURSION_M:
                return None
        actions.append(action)
    return Episode(
        images=np.stack(frames),
        state=np.stack(states),
        action=np.stack([*actions, np.zeros_like(actions[0])]).astype(np.float32),
    )


def _arm(simulator: ArmSimulator) -> EndEffectorDelta | None:
    """The part of the control that displaces a tool point; None without one."""
    control = simulator.control
    arm = control.arm if isinstance(control, GripperDelta) else control
    return arm if isinstance(arm, EndEffectorDelta) else None


def _motion(simulator: ArmSimulator, seed: int, rng: np.random.Generator) -> Motion:
    control, arm = simulator.control, _arm(simulator)
    if arm is None:
        return RandomTargets(simulator, rng)
    if isinstance(control, GripperDelta):
        return Grasp(simulator, rng) if seed % 2 else RandomOpening(Wander(simulator, arm, rng), rng)
    return (Wander, Seek)[seed % 2](simulator, arm, rng)


def _measured(
    simulator: ArmSimulator, observed: Mapping[str, NDArray[Any]], quantity: Quantity
) -> NDArray[Any]:
    """A quantity by its name: observed, or `<name>_position` of a site, body or joint, `<joint>_velocity`.

    Raises:
        SimulationError: if there is no such quantity, or it has another size.
    """
    if quantity.name in observed:
        value = np.asarray(observed[quantity.name])
    else:
        value = simulator.measured(quantity.name)
    if value.shape != (quantity.size,):
        raise SimulationError(
            f"{simulator.scene.name}: the state '{quantity.name}' has {value.size} components, the scene "
            f"says {quantity.size}"
        )
    return value
