"""Monte Carlo tree search for discrete actions, over models that say reward, value and policy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.contracts.rollout import Latent
from wm_planner.costs.model import Reward, Value
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.call_durations import Pace
from wm_planner.planners.knots import Curve
from wm_planner.planners.problem import Problem, Scores, evaluate_many
from wm_planner.planners.search import Search, check_kind, check_rngs
from wm_planner.planners.tree import Floats, Path, Tree

_NO_SPREAD = np.zeros((1, 1), np.float32)
_VISIT_SCALE = 50.0  # of returns beside logits at a Gumbel root, Danihelka et al. 2022, sec. 5


class MCTS:
    """Tree search step by step through the model, one new node a simulation.

    It maximises what the costs `reward` and `value` say; without `value`, leaves count 0. The policy's
    logits are the output `policy` of a step, and for the root the latent's array `policy`, where the model
    has them; else all choices are alike. Beyond the tree's depth the plan goes on as the warm start does; it
    is taken where it costs less than the warm start and the proposals. Steps that give numbers that are not
    finite are not taken.

    Source: MuZero (Schrittwieser et al. 2020), appendix B; the Gumbel root of Danihelka et al. 2022, sec. 3.
    Differs in that no noise is added at a pUCT root, and in what an unvisited choice is worth (see `Tree.q`).
    """

    discrete: ClassVar[bool] = True

    class Config(PlannerConfig, frozen=True, kw_only=True):
        """How long and how it searches.

        Attributes:
            horizon: H, actions of the plan; the tree may be deeper, as deep as the model remembers.
            simulations: nodes added, one model step each.
            root: `puct` takes the choice most visited; `gumbel` halves a draw of choices again and again,
                and improves on the policy with few simulations too.
            considered: choices that a Gumbel root draws, at most.
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
        """See `Planner.plan`; the warm start and the proposals stand beside what the tree finds."""
        return self.plan_many([problem], [rng], [warm_start], [proposals], deadline)[0]

    def plan_many(
        self,
        problems: Sequence[Problem],
        rngs: Sequence[np.random.Generator],
        warm_starts: Sequence[Actions | None] | None = None,
        proposals: Sequence[Actions | None] | None = None,
        deadline: Deadline | None = None,
    ) -> list[Plan]:
        """Plan B problems of one model side by side: a simulation of all trees is one model step.

        Raises:
            ConfigError: if the actions are continuous, the models differ, or a cost is not the model's own.
        """
        check_rngs(rngs)
        if not problems:
            return []
        model = problems[0].model
        shared = any(spec.role == "shared" for spec in model.card.latents)
        if len(problems) > 1 and (shared or any(problem.model is not model for problem in problems)):
            raise ConfigError(
                "mcts takes several problems at once of one model without shared arrays: plan one by one"
            )
        nothing = [None] * len(problems)
        starts = warm_starts or nothing
        searches = [
            Search(problem, self.horizon, self._curve, start, proposed, deadline, Pace())
            for problem, start, proposed in zip(problems, starts, proposals or nothing, strict=True)
        ]
        roots = [_Root(self.config, search, rng) for search, rng in zip(searches, rngs, strict=True)]
        for _ in searches[0].rounds(self.config.simulations):
            paths = [root.next_path() for root in roots]
            latents = [root.latents[path[-1][0]] for root, path in zip(roots, paths, strict=True)]
            choices = np.array([[path[-1][1]] for path in paths], np.float32)  # (B, 1)
            stepped, outputs = model.step(_stack(latents), choices)
            for index, (root, path) in enumerate(zip(roots, paths, strict=True)):
                own = {name: array[index : index + 1] for name, array in stepped.items()}
                root.grow(path, own, {name: array[index] for name, array in outputs.items()})
        if not roots[0].tree.visits.any():  # the deadline was past at once
            return [search.plan(spread=_NO_SPREAD) for search in searches]
        plans = [root.plans(start is not None) for root, start in zip(roots, starts, strict=True)]
        scores = evaluate_many(problems, plans)
        return [root.told(own, score) for root, own, score in zip(roots, plans, scores, strict=True)]


class _Root:
    """One tree, the latents of its nodes, and how its root chooses."""

    def __init__(self, config: MCTS.Config, search: Search, rng: np.random.Generator) -> None:
        problem, choices = search.problem, search.space.choices
        check_kind(True, choices, "MCTS", problem.model.card.name)
        self.discount = _discount(problem)
        self.with_value = any(isinstance(cost.cost, Value) for cost in problem.costs)
        self.search = search
        self.simulations = config.simulations
        self.latents: list[Latent] = [problem.latent]
        logits = np.zeros(choices)
        if "policy" in problem.latent:
            logits = np.asarray(problem.latent["policy"], float).reshape(choices)
        memory = problem.model.card.max_horizon
        self.tree = Tree(choices, config.simulations + 1, logits, self.with_value, memory)
        self._lost = 0
        self._gumbel = np.zeros(choices)
        self._turns: list[int] | None = None
        if config.root == "gumbel":
            self._gumbel = rng.gumbel(size=choices)
            self._turns = considered_visits(min(config.considered, choices), config.simulations)

    def next_path(self) -> Path:
        """The edge to be evaluated next, and the way to it."""
        if self._turns is None:
            return self.tree.descend()
        visits = self.tree.visits[0]
        turn = self._turns[int(visits.sum())]
        return self.tree.descend(int(np.argmax(np.where(visits == turn, self._scores(), -np.inf))))

    def grow(self, path: Path, latent: Latent, outputs: Mapping[str, Floats]) -> None:
        """Put what a step gave, latent (1, ...) and outputs by name, at the end of `path`."""
        reward = float(outputs["reward"])
        discount = self.discount * float(outputs.get("continue", np.float64(1)))
        value = float(outputs["value"]) if self.with_value else 0.0
        logits = np.asarray(outputs.get("policy", np.zeros(self.tree.child.shape[1])), float)
        if not np.isfinite([reward, discount, value, logits.max()]).all():
            self._lost += 1
            self.tree.lose(path)
        elif self.tree.grow(path, reward, discount, value, logits) == len(self.latents):
            self.latents.append({**self.latents[path[-1][0]], **latent})

    def plans(self, started: bool) -> Actions:
        """What is left to choose from, (N, H, 1): the tree's choices, then the start's; and what was given.

        Args:
            started: whether there was a warm start.
        """
        search, found = self.search, self.search.start.copy()
        path = self.tree.best_path(self.tree.best_choice())[: len(found)]
        found[: len(path), 0] = path
        return np.concatenate([found[None], search.start[None][: int(started)], search.proposals])

    def told(self, plans: Actions, scores: Scores) -> Plan:
        """The best of `plans` (N, H, 1) as the outcome, with what it costs."""
        self.search.note(plans, scores)
        told = self.search.plan(spread=_NO_SPREAD)
        done = int(self.tree.visits[0].sum())
        return replace(
            told,
            iterations=done,
            evaluations=told.evaluations + done,
            not_finite=told.not_finite + self._lost,
            deadline_hit=done < self.simulations,
        )

    def _scores(self) -> Floats:
        scale = _VISIT_SCALE + self.tree.visits[0].max()
        scores: Floats = self._gumbel + self.tree.logits[0] + scale * self.tree.q(0)
        return scores


def considered_visits(choices: int, simulations: int) -> list[int]:
    """How often the choice of each simulation was visited before: sequential halving of `choices`.

    Source: Danihelka et al. 2022, algorithm 2, as mctx lays it out.
    """
    if choices == 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(choices))
    visits, considered, turns = [0] * choices, choices, list[int]()
    while len(turns) < simulations:
        for _ in range(max(1, simulations // (phases * considered))):
            turns += visits[:considered]
            visits[:considered] = [count + 1 for count in visits[:considered]]
        considered = max(2, considered // 2)
    return turns[:simulations]


def _discount(problem: Problem) -> float:
    """The discount of the costs, which must be the model's own."""
    kinds = {type(cost.cost) for cost in problem.costs}
    weights = {cost.weight for cost in problem.costs}
    own = [cost.cost for cost in problem.costs]
    discounts = {cost.config.discount for cost in own if isinstance(cost, (Reward, Value))}
    if Reward not in kinds or kinds - {Reward, Value} or len(discounts) != 1 or len(weights) != 1:
        raise ConfigError(
            f"mcts plans with costs {', '.join(cost.name for cost in problem.costs)}, wanted `reward`, with "
            "`value` beside it or not, of one weight and discount: a tree adds up what the model says a step"
        )
    return float(discounts.pop())


def _stack(latents: Sequence[Latent]) -> Latent:
    """Latents (1, ...) as one (B, ...)."""
    return {name: np.concatenate([latent[name] for latent in latents]) for name in latents[0]}
