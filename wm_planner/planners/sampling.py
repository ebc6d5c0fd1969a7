"""The base of all planners that sample whole plans; each of them implements one `search`."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.errors import PluginError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.checks import check_action_kind, check_bounds, check_rngs
from wm_planner.planners.knots import Curve, Knots
from wm_planner.planners.problem import Problem, Scores, evaluate_many
from wm_planner.planners.search import Search

Run: TypeAlias = Generator[Actions, Scores, Plan]
"""A running search: a generator that yields candidates, receives their scores and returns a plan."""


class SamplingConfig(PlannerConfig, frozen=True, kw_only=True):
    """The options of every sampling planner.

    Attributes:
        samples: N, candidates per iteration.
        knots: parametrises plans by a few knots; None searches over the action of every step.
    """

    samples: int = 64
    knots: Knots | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise ValueError(f"samples is {self.samples}, wanted at least 1")
        if self.knots and not 1 <= self.knots.count <= self.horizon:
            raise ValueError(
                f"knots.count is {self.knots.count}, wanted 1 to horizon = {self.horizon}: lower it"
            )


class SamplingPlanner(ABC):
    """A planner whose `search` samples candidates and adapts to their costs."""

    discrete: ClassVar[bool] = False

    def __init__(self, config: SamplingConfig) -> None:
        self._sampling = config
        self.curve = Curve(config.horizon, config.knots)
        self._durations = CallDurations()

    @property
    def horizon(self) -> int:
        return self._sampling.horizon

    @property
    def samples(self) -> int:
        """N, candidates in the first iteration."""
        return self._sampling.samples

    @abstractmethod
    def search(self, search: Search, rng: np.random.Generator) -> Run:
        """One planner call; `yield from search.evaluate(candidates)` returns the candidates' score table."""

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: Actions | None = None,
        proposals: Actions | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """See `Planner.plan`."""
        return self.plan_many([problem], [rng], [warm_start], [proposals], deadline)[0]

    def plan_many(
        self,
        problems: Sequence[Problem],
        rngs: Sequence[np.random.Generator],
        warm_starts: Sequence[Actions | None] | None = None,
        proposals: Sequence[Actions | None] | None = None,
        deadline: Deadline | None = None,
    ) -> list[Plan]:
        """Plan B problems at once, each exactly as `plan` would; all share one model call per iteration."""
        check_rngs(rngs)
        none = [None] * len(problems)
        runs = []
        for problem, rng, start, proposed in zip(
            problems, rngs, warm_starts or none, proposals or none, strict=True
        ):
            name, card = type(self).__name__, problem.model.card
            check_action_kind(self.discrete, problem.space.choices, name, card.name)
            check_bounds(card.action, name, card.name)
            search = Search(problem, self.horizon, self.curve, start, proposed, deadline, self._durations)
            runs.append(self._generator(search, rng))
        return lockstep(problems, runs)

    def _generator(self, search: Search, rng: np.random.Generator) -> Run:
        """The run of `search`.

        Raises:
            PluginError: if the method does not yield candidates, or does not return a plan.
        """
        name, run = f"{type(self).__name__}.search", self.search(search, rng)
        if not isinstance(run, Generator):
            raise PluginError(
                f"{name} returned {type(run).__name__} without evaluating candidates, wanted a generator: "
                "evaluate them with `yield from search.evaluate(candidates)`"
            )
        plan = yield from run
        if not isinstance(plan, Plan):
            raise PluginError(
                f"{name} returned {type(plan).__name__}, wanted a Plan: end it with "
                "`return search.plan(spread)`"
            )
        return plan


def lockstep(problems: Sequence[Problem], runs: Sequence[Run]) -> list[Plan]:
    """Run B searches to the end; candidates that they yield at the same time are evaluated together."""
    plans: dict[int, Plan] = {}
    pending: dict[int, Actions] = {}

    def proceed(index: int, scores: Scores | None) -> None:
        try:
            pending[index] = runs[index].send(scores)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as end:
            plans[index] = end.value

    for index in range(len(runs)):
        proceed(index, None)
    while pending:
        candidates = dict(pending)
        pending.clear()
        scores = evaluate_many([problems[i] for i in candidates], list(candidates.values()))
        for index, own in zip(candidates, scores, strict=True):
            proceed(index, own)
    return [plans[index] for index in range(len(runs))]
