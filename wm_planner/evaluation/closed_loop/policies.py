"""What can drive a scene in a closed loop: planners, and the baselines that they are judged against."""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.world_model import WorldModel
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.simulation.mujoco import MujocoSimulator

Action = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """An action (A,) in the scene's units, and the CPU time that it took to choose it."""

    action: Action
    cpu_s: float = 0.0


class Policy(Protocol):
    """Chooses actions for a simulator."""

    def reset(self, simulator: MujocoSimulator, goal_id: int) -> None:
        """A new episode begins; the simulator holds its goal."""
        ...

    def act(self, simulator: MujocoSimulator, observation: Observation, tick: int) -> Choice: ...


class FromPicture:
    """Plans with a learned world model; of the goal it is shown the pictures alone."""

    def __init__(self, model: WorldModel, horizon: RecedingHorizon) -> None:
        self._model, self._horizon = model, horizon

    def reset(self, simulator: MujocoSimulator, goal_id: int) -> None:
        self._horizon.reset(goal_id)
        self._goal = self._model.encode(simulator.goal)
        self._last_action: NDArray[np.float32] | None = None

    def act(self, simulator: MujocoSimulator, observation: Observation, tick: int) -> Choice:
        started = time.process_time()
        latent = self._model.encode(observation, self._last_action)
        context = Context(goal_latent=self._goal, last_action=self._last_action)
        decision = self._horizon.tick(latent, context, tick)
        action = decision.action_at(tick)
        assert action is not None  # replanned at least every horizon
        self._last_action = action
        return Choice(action.astype(np.float64), time.process_time() - started)


class FromPhysics:
    """Plans over physics, from the true state to the true goal position."""

    def __init__(self, model: WorldModel, horizon: RecedingHorizon) -> None:
        self._model, self._horizon = model, horizon

    def reset(self, simulator: MujocoSimulator, goal_id: int) -> None:
        self._horizon.reset(goal_id)
        self._last_action: NDArray[np.float32] | None = None

    def act(self, simulator: MujocoSimulator, observation: Observation, tick: int) -> Choice:
        started = time.process_time()
        latent = self._model.encode(simulator.truth())
        goal = {f"{simulator.scene.point}_position": simulator.goal_position}
        decision = self._horizon.tick(latent, Context(goal=goal, last_action=self._last_action), tick)
        action = decision.action_at(tick)
        assert action is not None
        self._last_action = action
        return Choice(action.astype(np.float64), time.process_time() - started)


class StraightLine:
    """Knows where the goal is and moves straight to it, as fast as it may."""

    def reset(self, simulator: MujocoSimulator, goal_id: int) -> None:
        self._limit = np.asarray(simulator.scene.action.high)

    def act(self, simulator: MujocoSimulator, observation: Observation, tick: int) -> Choice:
        way = simulator.goal_position - observation.state["tcp_position"]
        return Choice(way / max(1.0, float(np.max(np.abs(way) / self._limit))))


class RandomActions:
    """Uniform actions from the box."""

    def reset(self, simulator: MujocoSimulator, goal_id: int) -> None:
        self._rng = np.random.default_rng([goal_id, 1])

    def act(self, simulator: MujocoSimulator, observation: Observation, tick: int) -> Choice:
        action = simulator.scene.action
        return Choice(self._rng.uniform(action.low, action.high))
