"""Policies for closed-loop episodes: planners, and the baselines that they are compared with."""

import time
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.world_model import WorldModel
from wm_planner.errors import SimulationError
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.world_models.episode_encoder import EpisodeEncoder

Action = NDArray[np.float64]
LastAction: TypeAlias = NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class TimedAction:
    """An action (A,) in the scene's units, and the CPU time to choose it.

    Attributes:
        cpu_s: in s, with the encoding of the observation.
        encode_cpu_s: of the encoding alone, in s.
    """

    action: Action
    cpu_s: float = 0.0
    encode_cpu_s: float = 0.0


class Policy(Protocol):
    """Chooses actions for a simulator."""

    def reset(self, simulator: ArmSimulator, goal_id: int) -> None:
        """Start a new episode, whose goal is that of the simulator."""
        ...

    def act(
        self,
        simulator: ArmSimulator,
        observation: Observation,
        tick: int,
        last_action: LastAction = None,
    ) -> TimedAction:
        """Choose the action of a tick.

        Args:
            last_action: what was carried out since the tick before, (A,); None at the first tick.
        """
        ...


class ImageGoalPolicy:
    """Plans with a learned world model; all it knows of the goal are its images."""

    def __init__(self, model: WorldModel, horizon: RecedingHorizon) -> None:
        self._model, self._horizon = model, horizon
        self._encoder = EpisodeEncoder(model)

    def reset(self, simulator: ArmSimulator, goal_id: int) -> None:
        self._horizon.reset(goal_id)
        self._encoder.reset()
        self._goal = self._model.encode(simulator.goal)

    def act(
        self,
        simulator: ArmSimulator,
        observation: Observation,
        tick: int,
        last_action: LastAction = None,
    ) -> TimedAction:
        started = time.process_time()
        latent = self._encoder.encode(observation, last_action)
        encoded = time.process_time()
        context = Context(goal_latent=self._goal, last_action=last_action)
        decision = self._horizon.tick(latent, context, tick)
        action = decision.action_at(tick)
        assert action is not None  # replans within every horizon
        return TimedAction(action.astype(np.float64), time.process_time() - started, encoded - started)


class PhysicsPolicy:
    """Plans over physics from the true state to the true goal position."""

    def __init__(self, model: WorldModel, horizon: RecedingHorizon) -> None:
        self._model, self._horizon = model, horizon

    def reset(self, simulator: ArmSimulator, goal_id: int) -> None:
        self._horizon.reset(goal_id)

    def act(
        self,
        simulator: ArmSimulator,
        observation: Observation,
        tick: int,
        last_action: LastAction = None,
    ) -> TimedAction:
        started = time.process_time()
        if not isinstance(simulator, MujocoSimulator):
            raise SimulationError(f"{simulator.scene.name}: planning over physics needs a MuJoCo scene")
        latent = self._model.encode(simulator.truth())
        goal = {f"{simulator.scene.point}_position": simulator.goal_position}
        decision = self._horizon.tick(latent, Context(goal=goal, last_action=last_action), tick)
        action = decision.action_at(tick)
        assert action is not None
        return TimedAction(action.astype(np.float64), time.process_time() - started)


class StraightLine:
    """Moves straight to the true goal position, as fast as the action limits permit."""

    def reset(self, simulator: ArmSimulator, goal_id: int) -> None:
        self._limit = np.asarray(simulator.scene.action.high)

    def act(
        self,
        simulator: ArmSimulator,
        observation: Observation,
        tick: int,
        last_action: LastAction = None,
    ) -> TimedAction:
        offset = simulator.goal_position - observation.state["tcp_position"]
        return TimedAction(offset / max(1.0, float(np.max(np.abs(offset) / self._limit))))


class RandomActions:
    """Samples actions uniformly within their bounds."""

    def reset(self, simulator: ArmSimulator, goal_id: int) -> None:
        self._rng = np.random.default_rng([goal_id, 1])

    def act(
        self,
        simulator: ArmSimulator,
        observation: Observation,
        tick: int,
        last_action: LastAction = None,
    ) -> TimedAction:
        action = simulator.scene.action
        return TimedAction(self._rng.uniform(action.low, action.high))
