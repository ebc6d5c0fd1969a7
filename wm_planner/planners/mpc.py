"""Model-predictive control: plan, act on the first steps, look, plan again from where that led."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wm_planner import config
from wm_planner.clock import Clock, Deadline, WallClock, seconds
from wm_planner.contracts.arrays import namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions, ActionSpace
from wm_planner.planners.base import LONGEST, Plan, Planner
from wm_planner.planners.checks import check_costs
from wm_planner.planners.problem import Problem
from wm_planner.planners.search import check_kind


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do from one tick on.

    Attributes:
        actions: (L + H, A), card's units: L, the latency in steps, that were decided before, then the plan.
        first_tick: the tick decided at, which the first action is for.
        plan: the search behind it, with its cost, terms and timing.
        fallback: why the last H actions are not the plan's but what was left of the plan before, then zeros;
            None if they are the plan's.
        latency: L, in steps.
    """

    actions: Actions
    first_tick: int
    plan: Plan
    fallback: str | None = None
    latency: int = 0

    def action_at(self, tick_index: int) -> Actions | None:
        """The action (A,) for a tick, None where nothing is decided."""
        step = tick_index - self.first_tick
        return self.actions[step] if 0 <= step < len(self.actions) else None


class RecedingHorizon:
    """Plans every few ticks, each time from what is left of the plan before.

    Args:
        config: the rhythm.
        planner: what searches.
        model: what imagines.
        costs: what plans are judged by.
        seed: of the run; with the episode's id and the tick it is the seed of every search.
        clock: measures how long a search takes; never changes a plan.

    Raises:
        ConfigError: if a cost requires what the model does not offer, the planner is for another kind of
            actions, looks further than the model can, or its plans end before the next is made.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The rhythm of planning.

        Attributes:
            replan_every: steps of a plan that are executed before the next plan.
            latency_steps: steps that pass before a plan's first action can be executed, where nobody
                measures: the latent is first imagined forward through the actions already decided on.
        """

        replan_every: int = 1
        latency_steps: int = 0

        def __post_init__(self) -> None:
            if self.replan_every < 1 or self.latency_steps < 0:
                raise ValueError(
                    f"replan_every is {self.replan_every} and latency_steps {self.latency_steps}, "
                    "wanted at least 1 and at least 0"
                )

        def check(self, horizon: int) -> None:
            """Refuse plans of `horizon` steps, if they end before the next is made.

            Raises:
                ConfigError: if they do.
            """
            if self.replan_every > horizon:
                raise ConfigError(
                    f"replan_every is {self.replan_every}, the planner's horizon {horizon}: lower "
                    "replan_every or raise the horizon, or the actions run out"
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
        check_costs(model, costs)
        check_kind(planner.discrete, model.card.action.choices, type(planner).__name__, model.card.name)
        steps, most = config.latency_steps + planner.horizon, model.card.max_horizon or LONGEST
        if steps > most:
            raise ConfigError(
                f"latency_steps {config.latency_steps} and the planner's horizon {planner.horizon} are "
                f"{steps} steps, {model.card.name} remembers {most} (card: max_horizon): lower the "
                f"horizon to {most - config.latency_steps}, or train with a longer memory"
            )
        config.check(planner.horizon)
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(f"seed is {seed!r}, wanted a whole number, 0 or more")
        self.config = config
        self.planner = planner
        self.model = model
        self.costs = tuple(costs)
        self.seed = seed
        self._clock = clock or WallClock()
        self._space = ActionSpace.of(model.card.action)
        self.reset(episode_id=0)

    def reset(self, episode_id: int) -> None:
        """Forget the last plan: a new episode begins."""
        self._episode_id = episode_id
        self._decision: Decision | None = None
        self._due = False

    def interrupt(self) -> None:
        """Plan anew at the next tick, from what is left of the last plan: the goal has changed."""
        self._due = True

    def tick(
        self,
        latent: Latent,
        context: Context,
        tick_index: int,
        deadline: Deadline | None = None,
        delay_s: float | None = None,
    ) -> Decision:
        """Decide what to do from this tick on.

        Asked again at the same tick, or before `replan_every` ticks are over, it answers with the decision
        it holds.

        Args:
            latent: what the encoder sees now, arrays (1, ...).
            context: goal, goal's latent, last action, objects; the previous plan is filled in here.
            tick_index: of the episode, in steps of the card's `control_dt_s`, never falling.
            deadline: when to decide with the best plan so far; None in lockstep.
            delay_s: from what the latent shows until the plan's first action can be executed, where it was
                measured: its whole steps, rounded, take the place of `latency_steps`, as far as the model
                remembers them beside the planner's horizon; below 0 it is 0.

        Raises:
            ConfigError: if a cost needs a goal that the context lacks.
        """
        _check_tick(tick_index, delay_s)
        previous = self._decision
        if previous and not self._due and tick_index < previous.first_tick + self.config.replan_every:
            return previous
        self._due = False
        started_ns = self._clock.now_ns()
        latency, horizon = self._latency(delay_s), self.planner.horizon
        decided = self._decided(tick_index, latency + horizon)
        warm_start = proposals = None
        if previous:
            passed = tick_index + latency - previous.first_tick - previous.latency
            warm_start = shifted(previous.actions[previous.latency :], passed)
            proposals = None if previous.plan.elites is None else shifted(previous.plan.elites, passed)
        last_action = decided[latency - 1] if latency else context.last_action
        plan = self.planner.plan(
            Problem(
                self.model,
                self._imagine(latent, decided[:latency]),
                self.costs,
                replace(context, previous_plan=warm_start, last_action=last_action),
            ),
            rng=np.random.default_rng([self.seed, self._episode_id, tick_index]),
            warm_start=warm_start,
            proposals=proposals,
            deadline=deadline,
        )
        plan = replace(plan, elapsed_s=seconds(self._clock.now_ns() - started_ns))
        fallback = _why_unusable(plan)
        actions = decided if fallback else np.concatenate([decided[:latency], plan.actions])
        self._decision = Decision(actions, tick_index, plan, fallback, latency)
        return self._decision

    def _decided(self, tick_index: int, steps: int) -> Actions:
        """The actions already decided on for `steps` ticks, (steps, A): zeros where there are none."""
        actions = self._space.hold(steps)
        for step in range(steps):
            decided = self._decision.action_at(tick_index + step) if self._decision else None
            if decided is not None:
                actions[step] = decided
        return actions

    def _latency(self, delay_s: float | None) -> int:
        """Steps before a plan's first action can be executed."""
        if delay_s is None:
            return self.config.latency_steps
        card = self.model.card
        most = (card.max_horizon or LONGEST) - self.planner.horizon
        return min(max(0, round(delay_s / card.control_dt_s)), most)

    def _imagine(self, latent: Latent, actions: Actions) -> Latent:
        """The latent after `actions` (steps, A) that are on their way."""
        for action in actions:
            stepped, _ = self.model.step(latent, action[None])
            latent = {**latent, **stepped}
        return latent


def shifted(actions: Actions, steps: int) -> Actions:
    """Plans (..., H, A) moved on by `steps` ticks, the last action repeated; the first, where it is below 0.

    Repeating is iCEM's way (Pinneri et al. 2020); TD-MPC2 appends zeros instead.
    """
    horizon = actions.shape[-2]
    xp, at = namespace(actions), np.clip(np.arange(horizon) + steps, 0, horizon - 1)
    later: Actions = xp.take(actions, xp.asarray(at), axis=-2)
    return later


def _check_tick(tick_index: int, delay_s: float | None) -> None:
    if tick_index < 0:
        raise ConfigError(f"tick_index is {tick_index}, wanted 0 for the first step of the episode, then up")
    if delay_s is not None and not math.isfinite(delay_s):
        raise ConfigError(f"delay_s is {delay_s}, wanted seconds; leave it out where it is not measured")


def _why_unusable(plan: Plan) -> str | None:
    if np.isnan(plan.cost):
        return "the deadline was past before anything was evaluated"
    if not np.isfinite(plan.cost):
        return f"none of {plan.evaluations} candidates had a finite cost"
    if not np.isfinite(plan.actions).all():
        return "the plan holds numbers that are not finite"
    return None
