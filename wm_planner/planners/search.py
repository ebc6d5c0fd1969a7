"""One planner call: what was evaluated, the best so far, and whether there is time for more."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.card import Card
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan
from wm_planner.planners.call_durations import Pace
from wm_planner.planners.checks import as_numbers
from wm_planner.planners.constraints import Merit, Table, violations
from wm_planner.planners.knots import Curve
from wm_planner.planners.noise import normal
from wm_planner.planners.problem import Problem, Scores

Evaluation: TypeAlias = Generator[Actions, Scores, Table]
"""Asks for the scores of candidates (N, H, A), so that many searches can share a model call."""


_CAUTION = 0.25
"""Share of a plan's time that is at most left unused because earlier plans met interruptions."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best candidate so far.

    Attributes:
        actions: (H, A).
        rank: what it was chosen by, lower is better; infinite before anything was evaluated.
        row: its row of the table, (1 + C,).
        terms: of its cost, unweighted.
    """

    actions: Array
    rank: Array
    row: Array
    terms: Mapping[str, Array] = field(default_factory=dict)


class Search:
    """The part that every sampling planner shares, whatever it samples from.

    All arrays are of the namespace of the warm start, so that a search can be traced into a graph.

    Args:
        problem: what to minimise.
        horizon: H.
        curve: from knots to plans of that horizon.
        warm_start: (H, A), or None.
        proposals: (M, H, A), or None.
        deadline: when to stop, or None.
        pace: of the planner's earlier calls.

    Attributes:
        start: the warm start, or the plan of doing nothing, as the action space admits it, (H, A).
        proposals: the proposals likewise, (M, H, A), M may be 0.
        low, high: the box at every knot, (M, A).
        nothing: the table of no candidates, (0, 1 + C).

    Raises:
        ConfigError: for a horizon longer than the model's memory, or a deadline that is none.
        ShapeError: for a warm start, proposals or a previous plan of another shape, or not finite.
    """

    def __init__(
        self,
        problem: Problem,
        horizon: int,
        curve: Curve,
        warm_start: Actions | None,
        proposals: Actions | None,
        deadline: Deadline | None,
        pace: Pace,
    ) -> None:
        _check_call(problem.model.card, horizon, deadline)
        self.problem = problem
        self.space = problem.space
        self._curve = curve
        self._deadline = deadline
        plan_shape = (horizon, self.space.size)
        if warm_start is None:
            warm_start = self.space.hold(horizon)
        if proposals is None:
            proposals = np.zeros((0, *plan_shape), np.float32)
        warm_start = self._taken("the warm start", warm_start, plan_shape)
        proposals = self._taken("the array of proposals", proposals, ("M", *plan_shape))
        if problem.context.previous_plan is not None:
            self._taken("the previous plan", problem.context.previous_plan, plan_shape)
        xp = namespace(warm_start)
        self.start: Actions = self._admit(warm_start)
        self.proposals: Actions = self._admit(proposals)
        self.low: Actions = self._at_knots(self.space.low)
        self.high: Actions = self._at_knots(self.space.high)
        self._merit = Merit(problem.costs)
        self.nothing: Table = xp.zeros((0, 1 + self._merit.limits), dtype=xp.float64)
        worst = xp.full((1 + self._merit.limits,), xp.inf, dtype=xp.float64)
        self._best = Best(self.start, worst[0, ...], worst)
        self._leader: Table | None = None
        self._rounds = self._evaluations = self._not_finite = 0
        self._pace = pace
        self._slow_s = min(pace.slow_s(), _CAUTION * self._left_s()) if deadline else 0.0
        self._round_s = self._chunk_s = 0.0
        self._cut = False

    def rounds(self, count: int) -> Iterator[int]:
        """Count iterations from 0 for as long as the deadline leaves time for one like the slowest."""
        for index in range(count):
            if not self.has_time():
                return
            left_s = self._left_s()
            yield index
            if self._deadline:
                self._round_s = max(self._round_s, left_s - self._left_s(), self._slow_s)
            self._rounds += 1
            if self._leader is not None:
                self._merit.update(self._leader)

    def has_time(self) -> bool:
        """Whether the time left is longer than the slowest round took; False marks the plan as cut."""
        self._cut = self._cut or self._left_s() <= self._round_s
        return not self._cut

    def share(self, share: float) -> Actions:
        """A share of half the action range at every knot, (M, A)."""
        return self._at_knots(share * self.space.half_range)

    def actions(self, knots: Actions) -> Actions:
        """Candidates (N, H, A) of knots (N, M, A) in the box, as the action space admits them."""
        plans: Actions = self._curve.actions(knots)
        return plans if plans is knots and self.space.rate is None else self._admit(plans)

    def knots(self, actions: Actions) -> Actions:
        """The knots (..., M, A) nearest to plans (..., H, A)."""
        knots: Actions = self._curve.fit(actions)
        return knots

    def normal(self, rng: np.random.Generator, count: int) -> Actions:
        """Standard normal noise at the knots, (count, M, A)."""
        return normal(rng, (count, *self.low.shape))

    def evaluate(self, candidates: Actions) -> Evaluation:
        """The table of `candidates` (N, H, A), infinite where they are not finite; keeps the best.

        Under a deadline they are asked for in chunks of what the model takes. A chunk is begun if more time
        is left than the slowest of this plan and, within reason, of recent plans took, or if it is the first;
        the others are not evaluated, and count as infinite.
        """
        if self._deadline is None:
            return self.note(candidates, (yield candidates))
        tables, chunk = [self.nothing], self.problem.model.card.max_candidates
        for start in range(0, len(candidates), chunk):
            left_s = self._left_s()
            if left_s <= self._chunk_s:
                self._cut = True
                tables.append(np.full((len(candidates) - start, self.nothing.shape[1]), np.inf))
                break
            some = candidates[start : start + chunk]
            tables.append(self.note(some, (yield some)))
            took_s = left_s - self._left_s()
            self._pace.note(took_s)
            self._chunk_s = max(self._chunk_s, took_s, self._slow_s)
        return np.concatenate(tables)

    def note(self, candidates: Actions, scores: Scores) -> Table:
        """Keep the best of `candidates` (N, H, A) that were scored."""
        table = scores.total[:, None]
        if self._merit.limits:
            table = np.concatenate([table, scores.excess], axis=1)
            self._leader = table[int(np.argmin(self.merits(table)))]
        self._count(scores)
        ranks = self._merit.rank(table)
        at = namespace(ranks).argmin(ranks)
        found = Best(
            self._row(candidates, at),
            self._row(ranks, at),
            self._row(table, at),
            {name: self._row(term, at) for name, term in scores.terms.items()},
        )
        self._best = self._better(found, self._best)
        return table

    def merits(self, table: Table) -> NDArray[np.float64]:
        """What to minimise, (N,), of a table (N, 1 + C): totals, and what is made of the limits."""
        return self._merit.of(table)

    def plan(self, spread: Actions, elites: Actions | None = None) -> Plan:
        """The best so far; `spread` is the standard deviation of the last distribution, (M, A)."""
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
        """One of the rows (N, ...)."""
        return values[int(at)]

    def _better(self, found: Best, best: Best) -> Best:
        """What was found if it is better than the best, else the best."""
        return found if found.rank < best.rank else best

    def _taken(self, what: str, given: Array, wanted: tuple[int | str, ...]) -> Actions:
        """Plans that a caller gave, as float32: all else that is sampled takes their type."""
        plans = as_numbers(what, given)
        if len(plans.shape) != len(wanted) or plans.shape[-2:] != wanted[-2:]:
            axes = ", ".join(map(str, wanted))
            raise ShapeError(f"{what} has shape {plans.shape}, wanted ({axes}): was the horizon changed?")
        if not np.isfinite(plans).all():
            raise ShapeError(f"{what} holds numbers that are not finite; pass None to start from zeros")
        return plans

    def _at_knots(self, components: Actions) -> Actions:
        """A number a component, (A,), at every knot, (M, A)."""
        there: Actions = match(np.repeat(components[None], self._curve.knots, axis=0), self.start)
        return there

    def _admit(self, plans: Actions) -> Actions:
        return self.space.admit(plans, self.problem.context.last_action)

    def _left_s(self) -> float:
        return self._deadline.left_s() if self._deadline else np.inf


def _check_call(card: Card, horizon: int, deadline: Deadline | None) -> None:
    if card.max_horizon and horizon > card.max_horizon:
        raise ConfigError(
            f"the planner's horizon is {horizon}, {card.name} remembers {card.max_horizon} steps (card: "
            "max_horizon): lower the horizon, or train with a longer memory"
        )
    if not isinstance(deadline, Deadline | None):
        raise ConfigError(
            f"deadline is {deadline!r}, wanted a Deadline: Deadline.after(WallClock(), seconds), or None"
        )


def check_rngs(rngs: Sequence[np.random.Generator]) -> None:
    """Refuse what draws no random numbers.

    Raises:
        ConfigError: saying what to pass.
    """
    for rng in rngs:
        if not isinstance(rng, np.random.Generator):
            raise ConfigError(f"rng is {rng!r}, wanted a generator: numpy.random.default_rng(seed)")


def check_kind(discrete: bool, choices: int, planner: str, model: str) -> None:
    """Refuse a planner of discrete actions for continuous ones, and the other way round.

    Raises:
        ConfigError: naming planners that fit.
    """
    if discrete and not choices:
        raise ConfigError(
            f"{planner} plans discrete actions, those of {model} are continuous: take icem, cem or mppi, or "
            "write `choices: n` into the action of the card"
        )
    if choices and not discrete:
        raise ConfigError(
            f"{planner} plans continuous actions, those of {model} are {choices} choices: take "
            "categorical_cem, or mcts where the model gives rewards"
        )
