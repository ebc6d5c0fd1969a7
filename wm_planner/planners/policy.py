"""The plan of a policy: what it does when it acts on its own imagination, without a search."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.contracts.card import Card
from wm_planner.contracts.rollout import Rollout
from wm_planner.contracts.world_model import policy_of, unrolling_of
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.checks import check_rngs, check_search
from wm_planner.planners.knots import Curve
from wm_planner.planners.problem import Problem
from wm_planner.planners.search import Search


class PolicyPlanner:
    """Unrolls the model's policy, continuous or discrete; at most the resulting plan is evaluated.

    Differs from a search in that neither the warm start nor the proposals are evaluated, so that the plan may
    cost more than they do.
    """

    discrete = None

    class Config(PlannerConfig, frozen=True, kw_only=True):
        """How far the policy is unrolled.

        Attributes:
            horizon: need only cover the latency, because the policy itself looks ahead.
            evaluate: whether the costs of the plan are computed, which takes as long as the plan itself; else
                its cost is NaN.
        """

        horizon: int = 3
        evaluate: bool = False

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def horizon(self) -> int:
        return self.config.horizon

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: Actions | None = None,
        proposals: Actions | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """See `Planner.plan`; the proposals are ignored, and the warm start is only for a passed deadline.

        Raises:
            ConfigError: if the model has no policy, or its policy needs a goal that is missing.
        """
        check_rngs([rng])
        check_search(problem.model.card, self.horizon, deadline)
        if deadline is not None and deadline.left_s() <= 0:
            return self._late(problem, warm_start, deadline)
        if not self.config.evaluate:
            return self._plan(imagine(problem, self.horizon, with_rollout=False).actions)
        imagined = imagine(problem, self.horizon)
        if imagined.rollout is not None and problem.futures is None:
            scores = problem.score(imagined.rollout, imagined.actions)
        else:
            scores = problem.evaluate(imagined.actions)
        return replace(
            self._plan(imagined.actions),
            cost=float(scores.total[0]),
            terms={name: float(values[0]) for name, values in scores.terms.items()},
            violation=float(scores.violation[0]),
            evaluations=1,
            not_finite=int(np.isinf(scores.total[0])),
        )

    def _plan(self, actions: Actions) -> Plan:
        """A plan of `actions` (1, H, A) that was not evaluated."""
        spread = np.zeros(actions.shape[2], np.float32)
        return Plan(actions=actions[0], cost=float("nan"), spread=spread, iterations=1)

    def _late(self, problem: Problem, warm_start: Actions | None, deadline: Deadline) -> Plan:
        """The warm start, made admissible and not evaluated."""
        curve = Curve(self.horizon, None)
        search = Search(problem, self.horizon, curve, warm_start, None, deadline, CallDurations())
        search.has_time()
        return search.plan(spread=np.zeros((1, search.space.size), np.float32))


class Imagined(NamedTuple):
    """What a policy does in imagination.

    Attributes:
        actions: admissible, (1, H, A): its means, or its likeliest choices.
        rollout: where they lead with calm noise; None if it has not been computed.
    """

    actions: Actions
    rollout: Rollout | None


def imagine(problem: Problem, horizon: int, with_rollout: bool = True) -> Imagined:
    """What the model's policy does in imagination.

    Args:
        problem: where it starts.
        horizon: H.
        with_rollout: whether the rollout is wanted, where it costs no further model call.

    Raises:
        ConfigError: if the model has no policy, or its policy needs a goal that is missing.
    """
    model, space, context = problem.model, problem.space, problem.context
    policy = policy_of(model)
    if policy is None:
        raise missing_policy(model.card, "this plan")
    unrolling = unrolling_of(model)
    if unrolling is not None and space.rate is None and (with_rollout or horizon > 1):
        unrolled = unrolling.unroll(problem.latent, context.goal_latent, horizon)
        if unrolled is not None:
            return Imagined(*unrolled)
    plan = np.empty((horizon, space.size), np.float32)
    latent, before = problem.latent, context.last_action
    for step in range(horizon):
        if step:
            after, _ = model.step(latent, plan[step - 1 : step])
            latent = {**latent, **after}
        given = np.asarray(policy.act(latent, context.goal_latent), np.float32)  # (1, A), or logits (1, n)
        chosen = np.argmax(given, axis=1)[:, None].astype(np.float32) if space.choices else given
        plan[step] = space.admit(chosen, before)[0]
        before = plan[step]
    return Imagined(plan[None], None)


def missing_policy(card: Card, needs: str) -> ConfigError:
    """The error for a model without a policy, where `needs` needs one."""
    return ConfigError(
        f"{needs} needs a policy, and {card.name} has none (card: policy): train one with `wm train "
        "models/actor.py --of BUNDLE`, or search without it, as with `planner: {type: icem}` and "
        "`mpc: {proposals: elites}`"
    )
