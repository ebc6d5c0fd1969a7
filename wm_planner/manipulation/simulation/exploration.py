"""Exploration of scenes with a robot: motion that covers the workspace and makes contact with obstacles."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.collection.base import Act, Action
from wm_planner.contracts.dataset import REWARD, TERMINATED, Episode
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.gripper import GripperDelta
from wm_planner.control.pose import action_between
from wm_planner.control.pose_delta import PoseDelta
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

GOAL_SEED = 1
"""Of the goals that explored episodes are rewarded for, apart from their motion."""

EXCURSION_M = 0.03  # tracking error without contact from which an IK solution counts as an excursion


class ArmExplorer:
    """Explores the scene of a simulator, by default MuJoCo's; see `collection.base.Explorer`.

    The reward is the negated distance of the scene's point from its goal after the step, in m. No episode
    terminates.
    """

    signals = (REWARD, TERMINATED)
    reason = "ik_excursion"

    Config = MujocoSimulator.Config

    def __init__(self, simulator: ArmSimulator) -> None:
        self.simulator = simulator

    @classmethod
    def from_config(cls, config: MujocoSimulator.Config) -> Self:
        """The explorer of a scene file."""
        return cls(MujocoSimulator.from_config(config))

    @property
    def environment(self) -> Scene:
        return self.simulator.scene

    @property
    def state(self) -> tuple[Quantity, ...]:
        return state_of(self.simulator)

    def episode(self, seed: int, steps: int) -> Episode | None:
        return explore(self.simulator, seed, steps)

    def play(self, seed: int, steps: int, act: Act) -> Episode | None:
        """The episode of the scene's task of `seed`, with the actions of `act`; see `ActionsPlayer`."""
        observation, goal = self.simulator.reset(seed), self.simulator.goal
        recording = _Recording(self.simulator, self.simulator.goal_position)
        return recording.run(observation, steps, lambda seen: act(seen, goal))


def state_of(simulator: ArmSimulator) -> tuple[Quantity, ...]:
    """The quantities that are recorded: those that the scene names, or those of its robot."""
    declared: tuple[Quantity, ...] | None = getattr(simulator.scene, "state", None)
    if declared is not None:
        return declared
    arm = _arm(simulator)
    joints = Quantity(name="joint_positions", size=len(simulator.joints), unit="rad")
    return (Quantity(name="tcp_position", size=3, unit="m"), joints) if arm else (joints,)


def explore(simulator: ArmSimulator, seed: int, steps: int) -> Episode | None:
    """The episode of `seed`, or None if the inverse kinematics made an excursion or the physics failed.

    Even seeds wander, odd seeds seek or grasp.

    Raises:
        SimulationError: if the scene names an unknown quantity.
    """
    rng = np.random.default_rng(seed)
    observation = simulator.arrange(simulator.scene.explore(rng))
    motion = _motion(simulator, seed, rng)
    goal = simulator.scene.sample(np.random.default_rng([seed, GOAL_SEED])).position
    control, spec = simulator.control, simulator.scene.action

    def act(seen: Observation) -> Action:
        action = motion.action(seen.state.get("tcp_position", np.full(3, np.nan)))
        if isinstance(control, PoseDelta):
            change = control.action(action[:3], action[3], seen.state["tcp_pose"])
            return np.clip(change, spec.low, spec.high)
        return action

    return _Recording(simulator, goal).run(observation, steps, act)


class _Recording:
    """An episode while it is recorded.

    Args:
        simulator: set up at its start.
        goal: of the scene's point, (3,) in m.
    """

    def __init__(self, simulator: ArmSimulator, goal: NDArray[np.float64]) -> None:
        self._simulator, self._goal = simulator, goal
        self._arm, self._quantities = _arm(simulator), state_of(simulator)
        self._frames: list[NDArray[np.uint8]] = []
        self._states: list[NDArray[np.float32]] = []
        self._poses: list[NDArray[np.float64]] = []
        self._rewards: list[float] = []

    def run(
        self, observation: Observation, steps: int, act: Callable[[Observation], Action | None]
    ) -> Episode | None:
        """The episode with at most `steps` actions; None without any, after an excursion or a failure."""
        actions: list[Action] = []
        seen = self._add(observation)
        while len(actions) < steps and (action := act(seen)) is not None:
            command = self._simulator.control.command(observation.state["joint_positions"], action)
            result = self._simulator.step(command)
            observation = result.observation
            if result.failure or (not result.info["touched"] and self._is_excursion(command, observation)):
                return None
            actions.append(action)
            self._rewards.append(-float(np.linalg.norm(self._simulator.point - self._goal)))
            seen = self._add(observation)
        if not actions:
            return None
        return Episode(
            images=np.stack(self._frames),
            state=np.stack(self._states),
            action=np.stack([*self._carried_out(actions), np.zeros_like(actions[0])]).astype(np.float32),
            signals={
                REWARD.name: np.array([*self._rewards, 0.0], REWARD.dtype),
                TERMINATED.name: np.zeros(len(self._frames), bool),
            },
        )

    def _carried_out(self, actions: list[Action]) -> list[Action]:
        """The actions that are recorded; of poses the measured differences, as in DROID, within bounds.

        The gripper's change is the commanded one, as on /action: fingers that hold something do not move,
        whatever force they are told to hold it with.
        """
        if not isinstance(self._simulator.control, PoseDelta):
            return actions
        spec, pose = self._simulator.scene.action, np.stack(self._poses)
        measured = np.clip(action_between(pose[:-1], pose[1:]), spec.low, spec.high)
        return list(np.concatenate([measured[:, :-1], np.stack(actions)[:, -1:]], axis=1))

    def _add(self, observation: Observation) -> Observation:
        """Record an observation, and return it with all quantities that are recorded."""
        self._frames.append(np.stack([observation.images[name] for name in self._simulator.scene.cameras]))
        state = {each.name: _measured(self._simulator, observation.state, each) for each in self._quantities}
        self._states.append(state_row(state, self._quantities))
        if "tcp_pose" in observation.state:
            self._poses.append(observation.state["tcp_pose"])
        return replace(observation, state={**observation.state, **state})

    def _is_excursion(self, command: NDArray[np.float64], observation: Observation) -> bool:
        """Whether the tool point is far from where the command leads."""
        if self._arm is None:
            return False
        reached = self._arm.position(command[: len(self._arm.joints)])
        return bool(np.linalg.norm(reached - observation.state["tcp_position"]) > EXCURSION_M)


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
