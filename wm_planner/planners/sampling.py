"""What all planners that sample whole plans have in common; each of them is one `search`."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from wm_planner.clock import Deadline
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.call_durations import Pace
from wm_planner.planners.knots import Curve, Knots
from wm_planner.planners.problem import Problem, Scores, evaluate_many
from wm_planner.planners.search import Search, check_kind, check_rngs

Run: TypeAlias = Generator[Actions, Scores, Plan]
"""A search under way: it asks for the scores of candidates, and ends with a plan."""


class SamplingConfig(PlannerConfig, frozen=True, kw_only=True):
    """What every sampling planner is told.

    Attributes:
        samples: N, candidates an iteration.
        knots: points that a plan is made of; None searches every step by itself.
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
    """A planner whose `search` proposes candidates and learns what they cost."""

    discrete: ClassVar[bool] = False

    def __init__(self, config: SamplingConfig) -> None:
        self._sampling = config
        self.curve = Curve(config.horizon, config.knots)
        self._pace = Pace()

    @property
    def horizon(self) -> int:
        return self._sampling.horizon

    @property
    def samples(self) -> int:
        """N, candidates of the first round."""
        return self._sampling.samples

    @abstractmethod
    def search(self, search: Search, rng: np.random.Generator) -> Run:
        """One planner call; `yield from search.evaluate(candidates)` gives what candidates cost."""

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
        """Plan B problems side by side, each as `plan` would, with one model call for all a round."""
        check_rngs(rngs)
        nothing = [None] * len(problems)
        runs = []
        for problem, rng, start, proposed in zip(
            problems, rngs, warm_starts or nothing, proposals or nothing, strict=True
        ):
            check_kind(self.discrete, problem.space.choices, type(self).__name__, problem.model.card.name)
            search = Search(problem, self.horizon, self.curve, start, proposed, deadline, self._pace)
            runs.append(self.search(search, rng))
        return lockstep(problems, runs)


def lockstep(problems: Sequence[Problem], runs: Sequence[Run]) -> list[Plan]:
    """Bring B searches to their ends; what they ask for at one time is evaluated together."""
    plans: dict[int, Plan] = {}
    asked: dict[int, Actions] = {}

    def proceed(index: int, scores: Scores | None) -> None:
        try:
            asked[index] = runs[index].send(scores)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as end:
            plans[index] = end.value

    for index in range(len(runs)):
        proceed(index, None)
    while asked:
        candidates = dict(asked)
        asked.clear()
        scores = evaluate_many([problems[i] for i in candidates], list(candidates.values()))
        for index, own in zip(candidates, scores, strict=True):
            proceed(index, own)
    return [plans[index] for index in range(len(runs))]
