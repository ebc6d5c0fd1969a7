"""Model-predictive control: plan, execute the first steps, observe, replan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from wm_planner import config
from wm_planner.clock import Clock, Deadline, WallClock, seconds
from wm_planner.contracts.arrays import namespace
from wm_planner.contracts.card import Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions, ActionSpace
from wm_planner.planners.base import MAX_HORIZON, Plan, Planner
from wm_planner.planners.checks import check_action_kind, check_bounds, check_costs
from wm_planner.planners.futures import FuturesConfig
from wm_planner.planners.policy import PolicyPlanner, imagine, missing_policy
from wm_planner.planners.problem import Problem


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions to execute from one tick on.

    Attributes:
        actions: (L + H, A), card's units: L actions that were committed earlier, then those of the plan.
        first_tick: the tick of the first action, at which the decision was made.
        plan: the result of the search, with its cost, terms and timing.
        fallback: None if the last H actions are those of `plan`; otherwise the reason why they are the rest
            of the previous plan instead, then those of doing nothing.
        latency: L, the latency in steps.
    """

    actions: Actions
    first_tick: int
    plan: Plan
    fallback: str | None = None
    latency: int = 0

    def action_at(self, tick_index: int) -> Actions | None:
        """The action (A,) for a tick; None outside of the planned range."""
        step = tick_index - self.first_tick
        return self.actions[step] if 0 <= step < len(self.actions) else None


class RecedingHorizon:
    """Model-predictive control: replans every few ticks, warm-started with the rest of the previous plan.

    Args:
        config: how often to replan, and the latency.
        planner: searches for plans.
        model: imagines candidates.
        costs: the terms to minimise, and the constraints.
        seed: of the run; every search is seeded with it, the episode id and the tick.
        clock: measures the duration of a search; never changes a plan.

    Raises:
        ConfigError: see `check`.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Replanning interval, latency, and what a search starts from.

        Attributes:
            replan_every: steps of a plan that are executed before the next plan.
            latency_steps: steps that pass before a plan's first action can be executed, used if the delay is
                not measured. The latent is first predicted forward through the committed actions.
            proposals: further candidates for every search: `elites` of the previous plan, or with `policy`
                these and the plan of the model's policy.
            futures: how many futures are imagined per candidate, `{count: 4, over: cvar, tail: 0.25}`.
        """

        replan_every: int = 1
        latency_steps: int = 0
        proposals: Literal["elites", "policy"] = "elites"
        futures: FuturesConfig = FuturesConfig()

        def __post_init__(self) -> None:
            if self.replan_every < 1 or self.latency_steps < 0:
                raise ValueError(
                    f"replan_every is {self.replan_every} and latency_steps {self.latency_steps}, "
                    "wanted at least 1 and at least 0"
                )

        def check(self, horizon: int) -> None:
            """Check that plans of `horizon` steps last until the next plan.

            Raises:
                ConfigError: if they do not.
            """
            if self.replan_every > horizon:
                raise ConfigError(
                    f"replan_every is {self.replan_every} but the planner's horizon is {horizon}, so actions "
                    "run out before the next plan: lower replan_every or raise the horizon"
                )

    def __init__(
        self,
        config: Config,
        planner: Planner,
        model: WorldModel,
        costs: Sequence[WeightedCost],
        seed: int,
        clock: Clock | None = None,
    ) -> None:
        self.check(config, planner, model.card, costs)
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(f"seed is {seed!r}, wanted a whole number, 0 or more")
        self.config = config
        self.planner = planner
        self.model = model
        self.costs = tuple(costs)
        self.seed = seed
        self._clock = clock or WallClock()
        self._with_policy = config.proposals == "policy" and not isinstance(planner, PolicyPlanner)
        self._space = ActionSpace.of(model.card.action)
        self.reset(episode_id=0)

    @staticmethod
    def check(config: Config, planner: Planner, card: Card, costs: Sequence[WeightedCost]) -> None:
        """Check that everything fits together, which needs the model's card only.

        Raises:
            ConfigError: if a cost requires something that the model does not provide, if the planner and the
                model disagree on discrete actions, if an action to be searched has no bounds, if horizon and
                latency exceed the model's memory, if plans are shorter than the replanning interval, or if
                the model lacks a policy or noise that is to be used, or the planner cannot plan over futures.
        """
        check_costs(card, costs)
        config.futures.check(card, planner)
        if planner.discrete is not None:
            check_bounds(card.action, type(planner).__name__, card.name)
        check_action_kind(planner.discrete, card.action.choices, type(planner).__name__, card.name)
        steps, limit = config.latency_steps + planner.horizon, card.max_horizon or MAX_HORIZON
        if steps > limit:
            raise ConfigError(
                f"latency_steps {config.latency_steps} and the planner's horizon {planner.horizon} are "
                f"{steps} steps, {card.name} remembers {limit} (card: max_horizon): lower the "
                f"horizon to {limit - config.latency_steps}, or train with a longer memory"
            )
        config.check(planner.horizon)
        if card.policy is None and isinstance(planner, PolicyPlanner):
            raise missing_policy(card, "planner: policy")
        if card.policy is None and config.proposals == "policy":
            raise missing_policy(card, "proposals: policy")

    def reset(self, episode_id: int) -> None:
        """Start a new episode: drop the previous plan."""
        self._episode_id = episode_id
        self._decision: Decision | None = None
        self._due = False

    def interrupt(self) -> None:
        """Replan at the next tick, warm-started with the previous plan, e.g. because the goal has changed."""
        self._due = True

    def tick(
        self,
        latent: Latent,
        context: Context,
        tick_index: int,
        deadline: Deadline | None = None,
        delay_s: float | None = None,
    ) -> Decision:
        """Decide which actions to execute from this tick on.

        Called again at the same tick, or less than `replan_every` ticks later, it returns the current
        decision.

        Args:
            latent: encoding of the current observation, arrays (1, ...).
            context: without the previous plan, which is filled in here.
            tick_index: tick of the episode, in steps of the card's `control_dt_s`. A lower one than that of
                the current decision is taken as a new episode: the previous plan is dropped.
            deadline: when to return the best plan so far; None in lockstep.
            delay_s: measured time from the observation behind `latent` until the plan's first action can be
                executed. Rounded to whole steps, at least 0, it replaces `latency_steps`, up to the number of
                steps that the model's memory allows in addition to the planner's horizon.

        Raises:
            ConfigError: if a cost needs a goal that the context lacks.
        """
        _check_tick(tick_index, delay_s)
        if self._decision and tick_index < self._decision.first_tick:
            self._decision = None
        previous = self._decision
        if previous and not self._due and tick_index < previous.first_tick + self.config.replan_every:
            return previous
        self._due = False
        started_ns = self._clock.now_ns()
        latency, horizon = self._latency(delay_s), self.planner.horizon
        committed = self._committed(tick_index, latency + horizon, context.last_action)
        warm_start, elites = self._moved_on(tick_index + latency)
        last_action = committed[latency - 1] if latency else context.last_action
        rng = np.random.default_rng([self.seed, self._episode_id, tick_index])
        problem = Problem(
            self.model,
            self._predict(latent, committed[:latency]),
            self.costs,
            replace(context, previous_plan=warm_start, last_action=last_action),
            self.config.futures.of(self.model.card, rng),
        )
        plan = self.planner.plan(
            problem,
            rng=rng,
            warm_start=warm_start,
            proposals=self._proposals(problem, elites, deadline),
            deadline=deadline,
        )
        plan = replace(plan, elapsed_s=seconds(self._clock.now_ns() - started_ns))
        fallback = _why_unusable(plan)
        actions = committed if fallback else np.concatenate([committed[:latency], plan.actions])
        self._decision = Decision(actions, tick_index, plan, fallback, latency)
        return self._decision

    def _moved_on(self, first_tick: int) -> tuple[Actions | None, Actions | None]:
        """The plan of the current decision (H, A) and its elites (K, H, A), shifted to begin at a tick."""
        previous = self._decision
        if previous is None:
            return None, None
        passed = first_tick - previous.first_tick - previous.latency
        elites = previous.plan.elites
        plan = shifted(previous.actions[previous.latency :], passed)
        return plan, None if elites is None else shifted(elites, passed)

    def _proposals(
        self, problem: Problem, elites: Actions | None, deadline: Deadline | None
    ) -> Actions | None:
        """Elites of the previous plan and the plan of the policy, (M, H, A), as far as there are any."""
        if not self._with_policy or (deadline is not None and deadline.left_s() <= 0):
            return elites
        plan = imagine(problem, self.planner.horizon).actions
        if not np.isfinite(plan).all():  # of an observation far from its training
            return elites
        return plan if elites is None else np.concatenate([elites, plan])

    def _committed(self, tick_index: int, steps: int, last_action: Actions | None) -> Actions:
        """The actions of the current decision for `steps` ticks, then those of doing nothing, (steps, A).

        Args:
            last_action: executed before them, (A,).
        """
        actions = np.empty((steps, self._space.size), np.float32)
        for step in range(steps):
            action = self._decision.action_at(tick_index + step) if self._decision else None
            actions[step] = self._space.hold(1, last_action)[0] if action is None else action
            last_action = actions[step]
        return actions

    def _latency(self, delay_s: float | None) -> int:
        """Steps before a plan's first action can be executed."""
        if delay_s is None:
            return self.config.latency_steps
        card = self.model.card
        limit = (card.max_horizon or MAX_HORIZON) - self.planner.horizon
        return min(max(0, round(delay_s / card.control_dt_s)), limit)

    def _predict(self, latent: Latent, actions: Actions) -> Latent:
        """The latent after the committed `actions` (steps, A)."""
        for action in actions:
            stepped, _ = self.model.step(latent, action[None])
            latent = {**latent, **stepped}
        return latent


def shifted(actions: Actions, steps: int) -> Actions:
    """Plans (..., H, A) shifted by `steps` ticks.

    The last action is repeated at the end, as in iCEM (Pinneri et al. 2020); TD-MPC2 appends zeros instead.
    With negative `steps` the first action is repeated at the start.
    """
    horizon = actions.shape[-2]
    xp, at = namespace(actions), np.arange(steps, steps + horizon)
    at = np.minimum(np.maximum(at, 0), horizon - 1)  # np.clip takes 3 times as long
    moved: Actions = xp.take(actions, xp.asarray(at), axis=-2)
    return moved


def _check_tick(tick_index: int, delay_s: float | None) -> None:
    if tick_index < 0:
        raise ConfigError(f"tick_index is {tick_index}, wanted 0 for the episode's first step and up")
    if delay_s is not None and not math.isfinite(delay_s):
        raise ConfigError(f"delay_s is {delay_s}, wanted finite seconds; leave it out if it is not measured")


def _why_unusable(plan: Plan) -> str | None:
    if np.isnan(plan.cost) and plan.deadline_hit:
        return "the deadline had passed before anything was evaluated"
    if np.isinf(plan.cost):
        return f"none of {plan.evaluations} candidates had a finite cost"
    if not np.isfinite(plan.actions).all():
        return "the plan has non-finite values"
    return None
