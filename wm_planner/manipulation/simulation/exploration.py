"""Exploration with an arm: motion that covers the workspace and makes contact with obstacles."""

from typing import Self

import numpy as np

from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode
from wm_planner.control.kinematics import Floats
from wm_planner.data.episodes import state_row
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Scene

STATE = (
    Quantity(name="tcp_position", size=3, unit="m"),
    Quantity(name="joint_positions", size=7, unit="rad"),
)
EXCURSION_M = 0.03  # tracking error without contact from which an IK solution counts as an excursion


class ArmExplorer:
    """Explores a MuJoCo scene; see `collection.base.Explorer`."""

    state = STATE
    reason = "ik_excursion"

    Config = MujocoSimulator.Config

    def __init__(self, simulator: MujocoSimulator) -> None:
        self._simulator = simulator

    @classmethod
    def from_config(cls, config: MujocoSimulator.Config) -> Self:
        """The explorer of a scene file."""
        return cls(MujocoSimulator.from_config(config))

    @property
    def environment(self) -> Scene:
        return self._simulator.scene

    def episode(self, seed: int, steps: int) -> Episode | None:
        return explore(self._simulator, seed, steps)


def explore(simulator: MujocoSimulator, seed: int, steps: int) -> Episode | None:
    """The episode of `seed`, or None if the inverse kinematics made an excursion.

    Even seeds wander, odd seeds seek.

    Raises:
        SimulationError: if the scene's actions are not displacements of a tool point.
    """
    arm, rng = simulator.arm, np.random.default_rng(seed)
    observation = simulator.arrange(simulator.scene.explore(rng))
    motion = (Wander, Seek)[seed % 2](simulator, rng)
    frames, states, actions = [], [], []
    for step in range(steps + 1):
        frames.append(np.stack([observation.images[name] for name in simulator.scene.cameras]))
        states.append(state_row(observation.state, STATE))
        if step == steps:
            break
        action = motion.action(observation.state["tcp_position"])
        command = simulator.control.command(observation.state["joint_positions"], action)
        result = simulator.step(command)
        error_m = np.linalg.norm(arm.position(command) - result.observation.state["tcp_position"])
        if error_m > EXCURSION_M and not result.info["touched"]:
            return None
        actions.append(action)
        observation = result.observation
    return Episode(
        images=np.stack(frames),
        state=np.stack(states),
        action=np.stack([*actions, np.zeros_like(actions[0])]).astype(np.float32),
    )


class Wander:
    """Smooth random motion: a first-order autoregressive process with a random speed per episode.

    At the border of the workspace it is reflected most of the time.
    """

    def __init__(self, simulator: MujocoSimulator, rng: np.random.Generator) -> None:
        self._control, self._rng = simulator.arm, rng
        self._limit = np.asarray(simulator.scene.action.high)
        self._memory, self._scale = rng.uniform(0.6, 0.95), rng.uniform(0.4, 1.0)
        self._noise = rng.standard_normal(len(self._limit))

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        fresh = self._rng.standard_normal(len(self._limit))
        self._noise = self._memory * self._noise + np.sqrt(1 - self._memory**2) * fresh
        action = np.clip(self._scale * self._noise, -1, 1) * self._limit
        leaves = (tcp + action < self._control.low) | (tcp + action > self._control.high)
        reflected = leaves & (self._rng.random(len(leaves)) < 0.7)
        self._noise = np.where(reflected, -self._noise, self._noise)
        return np.asarray(np.where(reflected, -action, action))


class Seek:
    """Noisy straight motion to a series of random positions.

    It runs into obstacles and keeps pushing, so that a model can learn what blocks the arm.
    """

    def __init__(self, simulator: MujocoSimulator, rng: np.random.Generator) -> None:
        self._scene, self._rng = simulator.scene, rng
        self._limit = np.asarray(simulator.scene.action.high)
        self._left = 0

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        if not self._left:
            target, self._left = self._scene.explore(self._rng).tcp, int(self._rng.integers(4, 13))
            assert target is not None  # the scene has an arm
            self._target = target
            self._pace = self._rng.uniform(0.4, 1.0)
        self._left -= 1
        noise = 0.3 * self._rng.standard_normal(len(self._limit)) * self._limit
        return np.asarray(np.clip(self._pace * (self._target - tcp) + noise, -self._limit, self._limit))
