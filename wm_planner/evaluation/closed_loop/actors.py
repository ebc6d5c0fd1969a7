"""Actors for closed-loop episodes in any simulator whose commands are a model's actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import convert
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import Simulator
from wm_planner.costs import build_costs
from wm_planner.planners import PLANNERS
from wm_planner.planners.checks import check_bounds
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.world_models.episode_encoder import EpisodeEncoder
from wm_planner.world_models.onnx.model import OnnxWorldModel

Action = NDArray[np.float64]


class Actor(Protocol):
    """Chooses the actions of an episode."""

    def reset(self, simulator: Simulator, goal_id: int) -> None:
        """Start a new episode, whose goal is that of the simulator."""
        ...

    def act(self, observation: Observation, tick: int) -> Action:
        """The action (A,) of a tick, within its bounds."""
        ...


class PlanningActor:
    """Plans with a world model as perception, planner and controller do in a lockstep launch.

    Args:
        remembers: False cuts the model's memory at every tick, as if each were the first of an episode.
    """

    def __init__(self, model: OnnxWorldModel, horizon: RecedingHorizon, remembers: bool = True) -> None:
        self._model, self._horizon, self._remembers = model, horizon, remembers
        self._encoder = EpisodeEncoder(model)
        action = model.card.action
        self._low, self._high = np.array(action.low), np.array(action.high)

    def reset(self, simulator: Simulator, goal_id: int) -> None:
        self._horizon.reset(goal_id)
        self._encoder.reset()
        goal = simulator.goal
        self._goal = self._model.encode(goal) if goal.images or goal.state else None
        self._last_action: NDArray[np.float32] | None = None

    def act(self, observation: Observation, tick: int) -> Action:
        latent = self._encoder.encode(observation, self._last_action if self._remembers else None)
        context = Context(goal_latent=self._goal, last_action=self._last_action)
        planned = self._horizon.tick(latent, context, tick).action_at(tick)
        assert planned is not None  # replans within every horizon
        action = np.clip(planned.astype(np.float64), self._low, self._high)
        self._last_action = action.astype(np.float32)
        return action


class RandomActor:
    """Samples actions uniformly within their bounds."""

    def reset(self, simulator: Simulator, goal_id: int) -> None:
        self._action, self._rng = simulator.scene.action, np.random.default_rng([goal_id, 1])
        check_bounds(self._action, "a random actor", simulator.scene.name)

    def act(self, observation: Observation, tick: int) -> Action:
        if self._action.choices:
            return self._rng.integers(self._action.choices, size=1).astype(np.float64)
        return self._rng.uniform(self._action.low, self._action.high)


@dataclass(frozen=True)
class Planned:
    """Builds the actor of a bundle.

    Attributes:
        path: of the bundle.
        planner, costs, mpc: as in a launch file.
        remembers: as of `PlanningActor`.
    """

    path: str
    planner: Mapping[str, Any]
    costs: Sequence[Mapping[str, Any]]
    mpc: Mapping[str, Any] = field(default_factory=dict)
    remembers: bool = True

    def __call__(self) -> Actor:
        model = OnnxWorldModel.load(self.path, device="cpu")
        settings = convert(self.mpc, RecedingHorizon.Config, "mpc")
        planner, costs = PLANNERS.build(self.planner, "planner"), build_costs(self.costs, "costs")
        horizon = RecedingHorizon(settings, planner, model, costs, seed=0)
        return PlanningActor(model, horizon, self.remembers)
