"""One planner call: what was evaluated, the best so far, and whether there is time for more."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.errors import ShapeError
from wm_planner.planners.base import Plan
from wm_planner.planners.problem import Problem

Actions = NDArray[np.float32]


class Search:
    """The part that every sampling planner shares, whatever it samples from.

    Args:
        problem: what to minimise.
        horizon: H.
        warm_start: (H, A), or None.
        proposals: (M, H, A), or None.
        deadline: when to stop, or None.

    Attributes:
        start: the warm start, or the plan of doing nothing, inside the box, (H, A).
        proposals: the proposals inside the box, (M, H, A), M may be 0.

    Raises:
        ShapeError: for a warm start or proposals of another shape, or not finite.
    """

    def __init__(
        self,
        problem: Problem,
        horizon: int,
        warm_start: Actions | None,
        proposals: Actions | None,
        deadline: Deadline | None,
    ) -> None:
        space = problem.space
        plan_shape = (horizon, space.size)
        if warm_start is None:
            warm_start = space.hold(horizon)
        if proposals is None:
            proposals = np.zeros((0, *plan_shape), np.float32)
        _check("warm start", warm_start, warm_start.shape == plan_shape, f"{plan_shape}")
        _check("proposals", proposals, proposals.shape[1:] == plan_shape, f"(M, {horizon}, {space.size})")
        self.start: Actions = space.clip(warm_start)
        self.proposals: Actions = space.clip(proposals)
        self._problem = problem
        self._deadline = deadline
        self._best: Actions = self.start
        self._cost = np.inf
        self._terms: dict[str, float] = {}
        self._rounds = 0
        self._evaluations = 0
        self._round_s = 0.0
        self._cut = False

    def rounds(self, count: int) -> Iterator[int]:
        """Count iterations from 0 for as long as the deadline leaves time for one like the last."""
        for index in range(count):
            if not self.has_time():
                return
            left_s = self._left_s()
            yield index
            self._round_s = left_s - self._left_s() if self._deadline else 0.0
            self._rounds += 1

    def has_time(self) -> bool:
        """Whether the time left is longer than the last round took; False marks the plan as cut."""
        self._cut = self._left_s() <= self._round_s
        return not self._cut

    def evaluate(self, candidates: Actions) -> NDArray[np.float64]:
        """The costs (N,) of `candidates` (N, H, A), infinite where they are not finite; keeps the best."""
        scores = self._problem.evaluate(candidates)
        self._evaluations += len(candidates)
        winner = int(np.argmin(scores.total))
        if scores.total[winner] < self._cost:
            self._cost = float(scores.total[winner])
            self._best = candidates[winner].copy()
            self._terms = {name: float(values[winner]) for name, values in scores.terms.items()}
        return scores.total

    def plan(self, spread: Actions, elites: Actions | None = None) -> Plan:
        """The best so far; `spread` is the standard deviation of the last distribution, (H, A)."""
        return Plan(
            actions=self._best,
            cost=self._cost if self._evaluations else float("nan"),
            terms=self._terms,
            spread=np.mean(spread, axis=0),
            elites=elites,
            iterations=self._rounds,
            evaluations=self._evaluations,
            deadline_hit=self._cut,
        )

    def _left_s(self) -> float:
        return self._deadline.left_s() if self._deadline else np.inf


def _check(what: str, actions: Actions, fits: bool, wanted: str) -> None:
    if not fits:
        raise ShapeError(f"the {what} has shape {actions.shape}, wanted {wanted}: was the horizon changed?")
    if not np.isfinite(actions).all():
        raise ShapeError(f"the {what} holds numbers that are not finite; pass None to start from zeros")
