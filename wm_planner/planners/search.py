"""One planner call: what was evaluated, the best so far, and whether there is time for more."""

from collections.abc import Generator, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan
from wm_planner.planners.knots import Curve
from wm_planner.planners.merit import Merit, Table, violations
from wm_planner.planners.pace import Pace
from wm_planner.planners.problem import Problem, Scores

Evaluation: TypeAlias = Generator[Actions, Scores, Table]
"""Asks for the scores of candidates (N, H, A), so that many searches can share a model call."""


_CAUTION = 0.25
"""Share of a plan's time that is at most left unused because earlier plans met interruptions."""


class Search:
    """The part that every sampling planner shares, whatever it samples from.

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
        ShapeError: for a warm start or proposals of another shape, or not finite.
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
        self.problem = problem
        self.space = problem.space
        self._curve = curve
        self._deadline = deadline
        plan_shape = (horizon, self.space.size)
        if warm_start is None:
            warm_start = self.space.hold(horizon)
        if proposals is None:
            proposals = np.zeros((0, *plan_shape), np.float32)
        _check("warm start", warm_start, warm_start.shape == plan_shape, f"{plan_shape}")
        _check(
            "proposals", proposals, proposals.shape[1:] == plan_shape, f"(M, {horizon}, {self.space.size})"
        )
        self.start: Actions = self._admit(warm_start)
        self.proposals: Actions = self._admit(proposals)
        self.low: Actions = self._at_knots(self.space.low)
        self.high: Actions = self._at_knots(self.space.high)
        self._merit = Merit(problem.costs)
        self.nothing: Table = np.empty((0, 1 + self._merit.limits))
        self._best: Actions = self.start
        self._rank = np.inf
        self._row: Table = np.full(1 + self._merit.limits, np.inf)
        self._leader: Table | None = None
        self._terms: dict[str, float] = {}
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
        self._evaluations += len(candidates)
        self._not_finite += int(np.count_nonzero(np.isinf(scores.total)))
        ranks = self._merit.rank(table)
        winner = int(np.argmin(ranks))
        if ranks[winner] < self._rank:
            self._rank, self._row = float(ranks[winner]), table[winner]
            self._best = candidates[winner].copy()
            self._terms = {name: float(values[winner]) for name, values in scores.terms.items()}
        return table

    def merits(self, table: Table) -> NDArray[np.float64]:
        """What to minimise, (N,), of a table (N, 1 + C): totals, and what is made of the limits."""
        return self._merit.of(table)

    def plan(self, spread: Actions, elites: Actions | None = None) -> Plan:
        """The best so far; `spread` is the standard deviation of the last distribution, (M, A)."""
        return Plan(
            actions=self._best,
            cost=float(self._row[0]) if self._evaluations else float("nan"),
            terms=self._terms,
            violation=float(violations(self._row[None, 1:])[0]) if self._leader is not None else 0.0,
            spread=np.mean(spread, axis=0),
            elites=elites,
            iterations=self._rounds,
            evaluations=self._evaluations,
            not_finite=self._not_finite,
            deadline_hit=self._cut,
        )

    def _at_knots(self, values: Actions) -> Actions:
        """The same values (A,) at every knot, (M, A)."""
        return np.repeat(values[None], self._curve.knots, axis=0)

    def _admit(self, plans: Actions) -> Actions:
        return self.space.admit(plans, self.problem.context.last_action)

    def _left_s(self) -> float:
        return self._deadline.left_s() if self._deadline else np.inf


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


def _check(what: str, actions: Actions, fits: bool, wanted: str) -> None:
    if not fits:
        raise ShapeError(f"the {what} has shape {actions.shape}, wanted {wanted}: was the horizon changed?")
    if not np.isfinite(actions).all():
        raise ShapeError(f"the {what} holds numbers that are not finite; pass None to start from zeros")
