"""The state of one planner call: evaluations, the best candidate so far, and the time left."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.errors import ShapeError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.checks import as_float32, check_search
from wm_planner.planners.constraints import ConstrainedObjective, ScoreTable, violations
from wm_planner.planners.knots import Curve
from wm_planner.planners.noise import normal
from wm_planner.planners.problem import Problem, Scores

Evaluation: TypeAlias = Generator[Actions, Scores, ScoreTable]
"""A generator that yields candidates (N, H, A) and receives their scores, so that several searches can share
one model call.
"""

_MAX_RESERVE = 0.25
"""Largest fraction of a plan's time that is kept in reserve for slow model calls."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best candidate so far.

    Attributes:
        actions: (H, A).
        rank: the objective that it was chosen by, lower is better; infinite before the first evaluation.
        row: its row of the score table, (1 + C,).
        terms: its cost terms by name, unweighted.
    """

    actions: Array
    rank: Array
    row: Array
    terms: Mapping[str, Array] = field(default_factory=dict)


class Search:
    """The part of a planner call that does not depend on the sampling distribution.

    All arrays have the namespace of the warm start, so that a search can be traced into a graph.

    Args:
        problem: what to minimise.
        horizon: H.
        curve: maps knots to plans of that horizon.
        warm_start: (H, A), or None.
        proposals: (M, H, A), or None.
        deadline: when to stop, or None.
        durations: of the planner's model calls so far.

    Attributes:
        start: the warm start, or the plan of zero actions, made admissible, (H, A).
        proposals: made admissible, (M, H, A); M may be 0.
        low, high: the action box at every knot, (M, A).
        empty_table: the score table of no candidates, (0, 1 + C).

    Raises:
        ConfigError: for a horizon longer than the model's memory, or a deadline of another type.
        ShapeError: for a warm start, proposals or a previous plan of the wrong shape or with non-finite
            values.
    """

    def __init__(
        self,
        problem: Problem,
        horizon: int,
        curve: Curve,
        warm_start: Actions | None,
        proposals: Actions | None,
        deadline: Deadline | None,
        durations: CallDurations,
    ) -> None:
        check_search(problem.model.card, horizon, deadline)
        self.problem = problem
        self.space = problem.space
        self._curve = curve
        self._deadline = deadline
        plan_shape = (horizon, self.space.size)
        if warm_start is None:
            warm_start = self.space.hold(horizon, problem.context.last_action)
        if proposals is None:
            proposals = np.zeros((0, *plan_shape), np.float32)
        warm_start = self._checked("the warm start", warm_start, plan_shape)
        proposals = self._checked("the array of proposals", proposals, ("M", *plan_shape))
        if problem.context.previous_plan is not None:
            self._checked("the previous plan", problem.context.previous_plan, plan_shape)
        xp = namespace(warm_start)
        self.start: Actions = self._admit(warm_start)
        self.proposals: Actions = self._admit(proposals)
        self.low: Actions = self.at_knots(self.space.low)
        self.high: Actions = self.at_knots(self.space.high)
        self._objective = ConstrainedObjective(problem.costs)
        self.empty_table: ScoreTable = xp.zeros((0, 1 + self._objective.limits), dtype=xp.float64)
        worst = xp.full((1 + self._objective.limits,), xp.inf, dtype=xp.float64)
        self._best = Best(self.start, worst[0, ...], worst)
        self._leader: ScoreTable | None = None
        self._rounds = self._evaluations = self._not_finite = 0
        self._durations = durations
        self._reserve_s = min(durations.p99_s(), _MAX_RESERVE * self._left_s()) if deadline else 0.0
        self._round_s = self._chunk_s = 0.0
        self._cut = False

    def rounds(self, count: int) -> Iterator[int]:
        """Count iterations from 0, while the deadline leaves time for one as slow as the slowest so far."""
        for index in range(count):
            if not self.has_time():
                return
            left_s = self._left_s()
            yield index
            if self._deadline:
                self._round_s = max(self._round_s, left_s - self._left_s(), self._reserve_s)
            self._rounds += 1
            if self._leader is not None:
                self._objective.update(self._leader)

    def has_time(self) -> bool:
        """Whether there is time for an iteration as slow as the slowest so far; if not, the plan is cut."""
        self._cut = self._cut or self._left_s() <= self._round_s
        return not self._cut

    @property
    def best(self) -> Best:
        """The best candidate so far."""
        return self._best

    def deviation(self, fraction: float) -> Actions:
        """A standard deviation, given as a fraction of half the action range, at every knot, (M, A)."""
        return self.at_knots(fraction * self.space.half_range)

    def at_knots(self, components: Actions) -> Actions:
        """One value per component, (A,), repeated for every knot, (M, A)."""
        repeated: Actions = match(np.repeat(components[None], self._curve.knots, axis=0), self.start)
        return repeated

    def actions(self, knots: Actions) -> Actions:
        """Admissible candidates (N, H, A) through knots (N, M, A), which lie in the box."""
        plans: Actions = self._curve.actions(knots)
        return plans if plans is knots and self.space.rate is None else self._admit(plans)

    def knots(self, actions: Actions) -> Actions:
        """The knots (..., M, A) that fit plans (..., H, A) best."""
        knots: Actions = self._curve.fit(actions)
        return knots

    def normal(self, rng: np.random.Generator, count: int) -> Actions:
        """Standard normal noise at the knots, (count, M, A)."""
        return normal(rng, (count, *self.low.shape))

    def evaluate(self, candidates: Actions) -> Evaluation:
        """The score table of `candidates` (N, H, A), infinite where a cost is not finite; keeps the best one.

        Under a deadline, candidates are evaluated in chunks of the card's `max_candidates`. A chunk is
        started if it is the first, or if more time is left than the slowest call of this plan and (up to
        `_MAX_RESERVE`) of recent plans took. The remaining candidates count as infinite.
        """
        if self._deadline is None:
            return self.record(candidates, (yield candidates))
        tables, chunk = [self.empty_table], self.problem.model.card.max_candidates
        for start in range(0, len(candidates), chunk):
            left_s = self._left_s()
            if left_s <= self._chunk_s:
                self._cut = True
                tables.append(np.full((len(candidates) - start, self.empty_table.shape[1]), np.inf))
                break
            some = candidates[start : start + chunk]
            tables.append(self.record(some, (yield some)))
            took_s = left_s - self._left_s()
            self._durations.record(took_s)
            self._chunk_s = max(self._chunk_s, took_s, self._reserve_s)
        return np.concatenate(tables)

    def settle(self, given: Best, candidates: Actions) -> Evaluation:
        """As `evaluate`, but the plan is `given` or one of `candidates`, whatever was better before."""
        before, count = self._best, self._evaluations
        self._best = given
        table = yield from self.evaluate(candidates)
        if self._deadline and self._evaluations == count:  # no time was left for any of them
            self._best = before
        return table

    def record(self, candidates: Actions, scores: Scores) -> ScoreTable:
        """Record evaluated `candidates` (N, H, A), keep the best one, and return their score table."""
        table = scores.total[:, None]
        if self._objective.limits:
            table = np.concatenate([table, scores.excess], axis=1)
            self._leader = table[int(np.argmin(self.objective(table)))]
        self._count(scores)
        ranks = self._objective.rank(table)
        at = namespace(ranks).argmin(ranks)
        found = Best(
            self._row(candidates, at),
            self._row(ranks, at),
            self._row(table, at),
            {name: self._row(term, at) for name, term in scores.terms.items()},
        )
        self._best = self._better(found, self._best)
        return table

    def objective(self, table: ScoreTable) -> NDArray[np.float64]:
        """The objective (N,) of a score table (N, 1 + C): total costs, with the constraints applied."""
        return self._objective.values(table)

    def plan(self, spread: Actions, elites: Actions | None = None) -> Plan:
        """The best candidate so far as a plan.

        Args:
            spread: standard deviation of the last sampling distribution, (M, A).
            elites: further good candidates, (K, H, A), or None.
        """
        best = self._best
        return Plan(
            actions=best.actions,
            cost=float(best.row[0]) if self._evaluations else float("nan"),
            terms={name: float(value) for name, value in best.terms.items()},
            violation=float(violations(best.row[None, 1:])[0]) if self._leader is not None else 0.0,
            spread=np.mean(spread, axis=0),
            elites=elites,
            iterations=self._rounds,
            evaluations=self._evaluations,
            not_finite=self._not_finite,
            deadline_hit=self._cut,
        )

    def _count(self, scores: Scores) -> None:
        self._evaluations += len(scores.total)
        self._not_finite += int(np.count_nonzero(np.isinf(scores.total)))

    def _row(self, values: Array, at: Array) -> Array:
        """Row `at` of `values` (N, ...)."""
        return values[int(at)]

    def _better(self, found: Best, best: Best) -> Best:
        """`found` if it ranks before `best`, else `best`."""
        return found if found.rank < best.rank else best

    def _checked(self, what: str, given: Array, wanted: tuple[int | str, ...]) -> Actions:
        """The caller's plans as float32, which all sampled arrays inherit.

        Raises:
            ShapeError: for the wrong shape, or non-finite values.
        """
        plans = as_float32(what, given)
        if len(plans.shape) != len(wanted) or plans.shape[-2:] != wanted[-2:]:
            axes = ", ".join(map(str, wanted))
            raise ShapeError(f"{what} has shape {plans.shape}, wanted ({axes}): was the horizon changed?")
        if not np.isfinite(plans).all():
            raise ShapeError(f"{what} has non-finite values; pass None to start from zeros")
        return plans

    def _admit(self, plans: Actions) -> Actions:
        return self.space.admit(plans, self.problem.context.last_action)

    def _left_s(self) -> float:
        return self._deadline.left_s() if self._deadline else np.inf
