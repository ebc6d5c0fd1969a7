"""The objective of a search with constraints: cost and violations combined into one value per candidate."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.cost import WeightedCost

ScoreTable: TypeAlias = NDArray[np.float64]
"""One row per candidate, (N, 1 + C): the total cost, then the excess over each limit (positive: violated)."""

REJECTED = 1e100
"""Objective of a rejected candidate, times (1 + violation): above any total, but with a finite square."""


class ConstrainedObjective:
    """Maps total costs and constraint excesses to one objective per candidate; lower is better.

    Without limits the objective is the total cost. With `rejection`, feasible candidates come first, ordered
    by total, then infeasible ones, ordered by violation (constrained CEM, Wen & Topcu 2018). `penalty` adds
    the violation times the penalty. `lagrangian` is the augmented Lagrangian (Nocedal & Wright 2006,
    sec. 17.4), whose multipliers are updated after every iteration; the returned plan is chosen as with
    `rejection`.

    Args:
        costs: of the problem; those with a limit are constraints.

    Attributes:
        limits: C, the number of constraints.
    """

    def __init__(self, costs: Sequence[WeightedCost]) -> None:
        limits = [cost.limit for cost in costs if cost.limit]
        self.limits = len(limits)
        self._soft = np.array([limit.by == "penalty" for limit in limits], bool)
        self._lagrangian = np.array([limit.by == "lagrangian" for limit in limits], bool)
        self._penalty = np.array([limit.penalty for limit in limits], float)
        self._multipliers = np.zeros(len(limits))

    def values(self, table: ScoreTable) -> NDArray[np.float64]:
        """Objective that the sampling distribution is fitted to, (N,)."""
        if not self.limits:
            return table[:, 0]
        rejection = ~(self._soft | self._lagrangian)
        return self._rejected(self._penalised(table) + self._augmented(table), table, rejection)

    def rank(self, table: ScoreTable) -> NDArray[np.float64]:
        """Objective that the returned plan is chosen by, (N,)."""
        if not self.limits:
            return table[:, 0]
        return self._rejected(self._penalised(table), table, ~self._soft)

    def update(self, row: ScoreTable) -> None:
        """Update the multipliers with the excesses of the iteration's best candidate, a row (1 + C,)."""
        updated = np.maximum(0, self._multipliers + self._penalty * row[1:])
        self._multipliers = np.where(self._lagrangian & np.isfinite(updated), updated, 0)

    def _penalised(self, table: ScoreTable) -> NDArray[np.float64]:
        if not self._soft.any():
            return table[:, 0]
        above = np.maximum(0, table[:, 1:][:, self._soft])
        penalised: NDArray[np.float64] = table[:, 0] + above @ self._penalty[self._soft]
        return penalised

    def _augmented(self, table: ScoreTable) -> NDArray[np.float64]:
        which = self._lagrangian
        multipliers, penalty = self._multipliers[which], self._penalty[which]
        pushed = np.maximum(0, multipliers + penalty * table[:, 1:][:, which])
        summed: NDArray[np.float64] = np.sum((pushed**2 - multipliers**2) / (2 * penalty), axis=1)
        return summed

    @staticmethod
    def _rejected(
        total: NDArray[np.float64], table: ScoreTable, which: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """`total` (N,), replaced for candidates that violate the constraints `which` (C,)."""
        if not which.any():
            return total
        violation = violations(table[:, 1:][:, which])
        return np.where(violation > 0, np.where(np.isinf(total), total, REJECTED * (1 + violation)), total)


def violations(excesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the positive entries of `excesses` (N, C), (N,)."""
    summed: NDArray[np.float64] = np.sum(np.maximum(0, excesses), axis=1)
    return summed
