"""Monte Carlo tree search for discrete actions, over models that predict reward, value and policy."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.costs.model import Reward, Value
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.belief import Belief, Outcome, logits, step
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.checks import check_action_kind, check_rngs
from wm_planner.planners.knots import Curve
from wm_planner.planners.problem import Problem, Scores, evaluate_many
from wm_planner.planners.search import Search
from wm_planner.planners.tree import Floats, Path, Tree

_NO_SPREAD = np.zeros((1, 1), np.float32)
_VISIT_SCALE = 50.0  # scale of returns relative to logits at a Gumbel root, Danihelka et al. 2022, sec. 5


class MCTS:
    """Tree search with the model's `step`; every simulation adds one node.

    It maximises the negated costs `reward` and `value`; without `value`, leaves count 0. Policy logits come
    from the model's policy, at the root and at every node; without one all choices have the same prior.
    Beyond the depth of the tree, the plan continues with the warm start. It is returned if it costs less than
    the warm start and the proposals. Steps with non-finite predictions are pruned.

    With several futures every node holds a latent in each of them, and rewards and values are means: the
    tree is then at most H deep, and its noise is that of the evaluation of plans.

    Source: MuZero (Schrittwieser et al. 2020), appendix B; the Gumbel root of Danihelka et al. 2022, sec. 3.
    Differs in that no noise is added at a pUCT root, and in the value of unvisited choices (see `Tree.q`).
    """

    discrete: ClassVar[bool] = True
    futures_over: ClassVar[tuple[str, ...]] = ("mean",)

    class Config(PlannerConfig, frozen=True, kw_only=True):
        """The search budget and the rule at the root.

        Attributes:
            horizon: H, length of the plan; the tree may be deeper, up to the card's `max_horizon`.
            simulations: nodes added, one model step each.
            root: `puct` plays the most visited choice; `gumbel` samples choices without replacement and
                selects among them by sequential halving, which improves on the policy even with few
                simulations.
            considered: largest number of choices that a Gumbel root samples.
        """

        simulations: int = 50
        root: Literal["puct", "gumbel"] = "puct"
        considered: int = 16

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.simulations < 1 or self.considered < 1:
                raise ValueError(
                    f"simulations is {self.simulations} and considered {self.considered}, wanted at least 1"
                )

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
        """See `Planner.plan`; the warm start and the proposals compete with the plan that the tree finds."""
        return self.plan_many([problem], [rng], [warm_start], [proposals], deadline)[0]

    def plan_many(
        self,
        problems: Sequence[Problem],
        rngs: Sequence[np.random.Generator],
        warm_starts: Sequence[Actions | None] | None = None,
        proposals: Sequence[Actions | None] | None = None,
        deadline: Deadline | None = None,
    ) -> list[Plan]:
        """Plan B problems of one model at once; one simulation in every tree is one batched model step.

        Raises:
            ConfigError: if the actions are continuous, the models differ, there are costs other than
                `reward` and `value`, or not the mean over several futures counts.
        """
        check_rngs(rngs)
        if not problems:
            return []
        model = problems[0].model
        shared = any(spec.role == "shared" for spec in model.card.latents)
        calm = {problem.futures is None for problem in problems}
        if len(problems) > 1 and (
            shared or len(calm) > 1 or any(problem.model is not model for problem in problems)
        ):
            raise ConfigError(
                "mcts plans several problems at once only for one model without `shared` latents, all with "
                "several futures or none: call `plan` for each problem"
            )
        for problem in problems:
            if problem.futures is not None:
                problem.futures.config.check(model.card, self)
        none = [None] * len(problems)
        starts = warm_starts or none
        searches = [
            Search(problem, self.horizon, self._curve, start, proposed, deadline, CallDurations())
            for problem, start, proposed in zip(problems, starts, proposals or none, strict=True)
        ]
        roots = [_Root(self.config, search, rng) for search, rng in zip(searches, rngs, strict=True)]
        for _ in searches[0].rounds(self.config.simulations):
            paths = [root.next_path() for root in roots]
            beliefs = [root.beliefs[path[-1][0]] for root, path in zip(roots, paths, strict=True)]
            outcomes = step(problems, beliefs, [path[-1][1] for path in paths], self.horizon)
            given = logits(problems, [outcome.after for outcome in outcomes])
            for root, path, outcome, own in zip(roots, paths, outcomes, given, strict=True):
                root.grow(path, outcome, own)
        if not roots[0].tree.visits.any():  # the deadline had passed before the first simulation
            return [search.plan(spread=_NO_SPREAD) for search in searches]
        plans = [root.candidates(start is not None) for root, start in zip(roots, starts, strict=True)]
        scores = evaluate_many(problems, plans)
        return [root.finish(own, score) for root, own, score in zip(roots, plans, scores, strict=True)]


class _Root:
    """One tree with the beliefs at its nodes and the selection rule at its root."""

    def __init__(self, config: MCTS.Config, search: Search, rng: np.random.Generator) -> None:
        problem, choices = search.problem, search.space.choices
        check_action_kind(True, choices, "MCTS", problem.model.card.name)
        self.discount = _discount(problem)
        self.with_value = any(isinstance(cost.cost, Value) for cost in problem.costs)
        self.search = search
        self.simulations = config.simulations
        self.beliefs = [Belief.root(problem)]
        longest = problem.model.card.max_horizon
        depth = longest if problem.futures is None else min(longest or config.horizon, config.horizon)
        given = logits([problem], self.beliefs)[0]
        self.tree = Tree(choices, config.simulations + 1, given, self.with_value, depth)
        self._pruned = 0
        self._gumbel = np.zeros(choices)
        self._visit_schedule: list[int] | None = None
        if config.root == "gumbel":
            self._gumbel = rng.gumbel(size=choices)
            self._visit_schedule = considered_visits(min(config.considered, choices), config.simulations)

    def next_path(self) -> Path:
        """The path to the edge that is evaluated next."""
        if self._visit_schedule is None:
            return self.tree.descend()
        visits = self.tree.visits[0]
        due = self._visit_schedule[int(visits.sum())]
        return self.tree.descend(int(np.argmax(np.where(visits == due, self._scores(), -np.inf))))

    def grow(self, path: Path, outcome: Outcome, given: Floats) -> None:
        """Expand the end of `path` with the outcome of a step, and the policy's logits after it, (n,)."""
        discount = self.discount * outcome.goes_on
        value = outcome.value if self.with_value else 0.0
        if not np.isfinite([outcome.reward, discount, value, given.max()]).all():
            self._pruned += 1
            self.tree.prune(path)
        elif self.tree.grow(path, outcome.reward, discount, value, given) == len(self.beliefs):
            self.beliefs.append(outcome.after)

    def candidates(self, with_start: bool) -> Actions:
        """The plan of the tree, continued with the warm start, then the alternatives to it, (N, H, 1).

        Args:
            with_start: whether the caller gave a warm start, which is then a candidate too.
        """
        search, found = self.search, self.search.start.copy()
        path = self.tree.best_path(self.tree.best_choice())[: len(found)]
        found[: len(path), 0] = path
        return np.concatenate([found[None], search.start[None][: int(with_start)], search.proposals])

    def finish(self, candidates: Actions, scores: Scores) -> Plan:
        """The best of `candidates` (N, H, 1) as the plan."""
        self.search.record(candidates, scores)
        plan = self.search.plan(spread=_NO_SPREAD)
        done = int(self.tree.visits[0].sum())
        return replace(
            plan,
            iterations=done,
            evaluations=plan.evaluations + done,
            not_finite=plan.not_finite + self._pruned,
            deadline_hit=done < self.simulations,
        )

    def _scores(self) -> Floats:
        scale = _VISIT_SCALE + self.tree.visits[0].max()
        scores: Floats = self._gumbel + self.tree.logits[0] + scale * self.tree.q(0)
        return scores


def considered_visits(choices: int, simulations: int) -> list[int]:
    """Sequential halving over `choices`: the visit count of the choice to take, for each simulation.

    Source: Danihelka et al. 2022, algorithm 2, in the form used by mctx.
    """
    if choices == 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(choices))
    visits, considered, schedule = [0] * choices, choices, list[int]()
    while len(schedule) < simulations:
        for _ in range(max(1, simulations // (phases * considered))):
            schedule += visits[:considered]
            visits[:considered] = [count + 1 for count in visits[:considered]]
        considered = max(2, considered // 2)
    return schedule[:simulations]


def _discount(problem: Problem) -> float:
    """The discount shared by the costs, which must be `reward` and optionally `value`."""
    kinds = {type(cost.cost) for cost in problem.costs}
    weights = {cost.weight for cost in problem.costs}
    own = [cost.cost for cost in problem.costs]
    discounts = {cost.config.discount for cost in own if isinstance(cost, (Reward, Value))}
    if Reward not in kinds or kinds - {Reward, Value} or len(discounts) != 1 or len(weights) != 1:
        raise ConfigError(
            f"mcts got the costs {', '.join(cost.name for cost in problem.costs)}, wanted `reward` and "
            "optionally `value`, with the same weight and discount: the tree sums the model's own rewards"
        )
    return float(discounts.pop())
