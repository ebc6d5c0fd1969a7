"""The plan of a policy: what it does when it acts on its own imagination, without a search."""

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.contracts.card import Card
from wm_planner.contracts.world_model import policy_of
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.checks import check_rngs
from wm_planner.planners.knots import Curve
from wm_planner.planners.problem import Problem
from wm_planner.planners.search import Search


class PolicyPlanner:
    """Unrolls the model's policy, continuous or discrete; the only evaluation is that of the resulting plan.

    Differs from a search in that neither the warm start nor the proposals are evaluated, so that the plan may
    cost more than they do.
    """

    discrete = None

    class Config(PlannerConfig, frozen=True, kw_only=True):
        """No options beyond the horizon."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._curve = Curve(config.horizon, None)

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
        search = Search(problem, self.horizon, self._curve, warm_start, proposals, deadline, CallDurations())
        for _ in search.rounds(1):
            plan = policy_plan(problem, self.horizon)[None]  # (1, H, A)
            search.record(plan, problem.evaluate(plan))
        return search.plan(spread=np.zeros((1, search.space.size), np.float32))


def policy_plan(problem: Problem, horizon: int) -> Actions:
    """The admissible actions (H, A) that the policy takes in imagination: its mean, or its likeliest choice.

    Raises:
        ConfigError: if the model has no policy, or its policy needs a goal that is missing.
    """
    model, space, context = problem.model, problem.space, problem.context
    policy = policy_of(model)
    if policy is None:
        raise missing_policy(model.card, "this plan")
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
    return plan


def missing_policy(card: Card, needs: str) -> ConfigError:
    """The error for a model without a policy, where `needs` needs one."""
    return ConfigError(
        f"{needs} needs a policy, and {card.name} has none (card: policy): train one with `wm train "
        "models/actor.py --of BUNDLE`, or search without it, as with `planner: {type: icem}` and "
        "`mpc: {proposals: elites}`"
    )
