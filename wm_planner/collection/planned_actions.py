"""Exploration with a world model: a planner's actions with noise, within the limits of its costs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.planners.action_space import Actions, ActionSpace
from wm_planner.planners.base import Planner
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem
from wm_planner.world_models.episode_encoder import EpisodeEncoder

GOAL_LATENT = "context:goal_latent"
"""What a cost requires that compares with the latent of a goal."""

NOISE_SEED = 1  # apart from that of the planner, which is seeded with the episode as well


class PlannedActions:
    """Plans every action of an episode, and explores around it.

    An action is executed only if the imagined plan that begins with it keeps all limits. Instead of one that
    does not, it is the plan without noise, then doing nothing; if these break a limit too, the episode ends.

    Args:
        model: what is known of the simulator so far; encodes the goal where a cost needs its latent.
        planner: searches, or unrolls the model's policy.
        mpc: what a search starts from, and how often it is repeated.
        costs: those with a `limit` are kept by every executed action.
        noise: standard deviation of normal noise, over half the range of an action; for discrete actions the
            share of random choices.

    Attributes:
        held_back: number of actions with noise that would have broken a limit.
        executed: number of actions of the current episode.

    Raises:
        ConfigError: if they do not fit together, see `RecedingHorizon.check`.
    """

    def __init__(
        self,
        model: WorldModel,
        planner: Planner,
        mpc: RecedingHorizon.Config,
        costs: Sequence[WeightedCost],
        noise: float,
    ) -> None:
        self._model, self._mpc, self._costs, self._noise = model, mpc, tuple(costs), noise
        self._horizon = RecedingHorizon(mpc, planner, model, costs, seed=0)
        self._encoder = EpisodeEncoder(model)
        self._space = ActionSpace.of(model.card.action)
        self._has_limits = any(cost.limit for cost in costs)
        self._has_goal = any(GOAL_LATENT in cost.cost.requires for cost in costs)
        self.held_back = 0
        self.start(0)

    def start(self, seed: int) -> None:
        """Start the episode of `seed`, on which the noise and the planner's samples depend."""
        self._horizon.reset(seed + 1)  # the planner node counts from 1
        self._encoder.reset()
        self._rng = np.random.default_rng([seed, NOISE_SEED])
        self.executed = 0
        self._last_action: Actions | None = None
        self._goal: Latent | None = None

    def __call__(self, observation: Observation, goal: Observation) -> NDArray[np.float64] | None:
        """The next action (A,), in the card's units; None if every one would break a limit.

        Args:
            observation: the next one of the episode.
            goal: of the episode, read at its first action.
        """
        tick = self.executed
        if self._has_goal and self._goal is None:
            self._goal = self._model.encode(goal)
        stamp_ns = nanoseconds(tick * self._model.card.control_dt_s)  # simulators may leave it out
        latent = self._encoder.encode(replace(observation, stamp_ns=stamp_ns), self._last_action)
        context = Context(goal_latent=self._goal, last_action=self._last_action)
        decision = self._horizon.tick(latent, context, tick)
        plan = decision.actions[tick - decision.first_tick :]  # (H, A)
        explored = np.concatenate([self._with_noise(plan[0])[None], plan[1:]])
        explored = self._space.admit(explored, self._last_action)
        chosen = self._within_limits(latent, context, explored, plan) if self._has_limits else explored[0]
        if chosen is None:
            return None
        self.executed, self._last_action = tick + 1, chosen
        return chosen.astype(np.float64)

    def _with_noise(self, action: Actions) -> Actions:
        if self._space.choices:
            if self._rng.random() >= self._noise:
                return action
            return self._rng.integers(self._space.choices, size=1).astype(np.float32)
        noise = self._noise * self._rng.standard_normal(len(action))
        return (action + self._space.half_range * noise).astype(np.float32)

    def _within_limits(
        self, latent: Latent, context: Context, explored: Actions, plan: Actions
    ) -> Actions | None:
        """The first action of the first plan (H, A) that keeps all limits; None if all break one."""
        plans = np.stack([explored, plan, self._space.hold(len(plan), self._last_action)])
        futures = self._mpc.futures.of(self._model.card, self._rng)
        scores = Problem(self._model, latent, self._costs, context, futures).evaluate(plans)
        kept = np.flatnonzero(scores.violation <= 0)
        self.held_back += 0 not in kept
        if not len(kept):
            return None
        chosen: Actions = plans[kept[0], 0]
        return chosen
