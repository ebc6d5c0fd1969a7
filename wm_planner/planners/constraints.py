"""What a search minimises where terms are limited: cost and violations, made one number a candidate."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.cost import WeightedCost

Table: TypeAlias = NDArray[np.float64]
"""A row a candidate, (N, 1 + C): its total, then by how much it exceeds each limit (below 0: kept)."""

REJECTED = 1e100
"""The merit of a rejected candidate, times 1 and its violation: above any total, and its square is finite."""


class Merit:
    """Turns totals and excesses into one number a candidate, lower is better; without limits, the total.

    `rejection`: what keeps the limits comes first, by total, then the rest by violation (Wen & Topcu 2018,
    constrained CEM). `penalty`: the violation times the penalty is part of the total. `lagrangian`: the
    augmented Lagrangian (Nocedal & Wright 2006, sec. 17.4), whose multipliers grow from round to round;
    the plan that is returned is chosen as with rejection.
    """

    def __init__(self, costs: Sequence[WeightedCost]) -> None:
        limits = [cost.limit for cost in costs if cost.limit]
        self.limits = len(limits)
        self._soft = np.array([limit.by == "penalty" for limit in limits], bool)
        self._lagrangian = np.array([limit.by == "lagrangian" for limit in limits], bool)
        self._penalty = np.array([limit.penalty for limit in limits], float)
        self._multipliers = np.zeros(len(limits))

    def of(self, table: Table) -> NDArray[np.float64]:
        """What the next candidates are drawn towards, (N,)."""
        if not self.limits:
            return table[:, 0]
        rejection = ~(self._soft | self._lagrangian)
        return self._rejected(self._penalised(table) + self._augmented(table), table, rejection)

    def rank(self, table: Table) -> NDArray[np.float64]:
        """What the returned plan is chosen by, (N,)."""
        if not self.limits:
            return table[:, 0]
        return self._rejected(self._penalised(table), table, ~self._soft)

    def update(self, row: Table) -> None:
        """Raise the multipliers by what the round's best candidate, a row (1 + C,), violates."""
        grown = np.maximum(0, self._multipliers + self._penalty * row[1:])
        self._multipliers = np.where(self._lagrangian & np.isfinite(grown), grown, 0)

    def _penalised(self, table: Table) -> NDArray[np.float64]:
        if not self._soft.any():
            return table[:, 0]
        above = np.maximum(0, table[:, 1:][:, self._soft])
        penalised: NDArray[np.float64] = table[:, 0] + above @ self._penalty[self._soft]
        return penalised

    def _augmented(self, table: Table) -> NDArray[np.float64]:
        which = self._lagrangian
        multipliers, penalty = self._multipliers[which], self._penalty[which]
        pushed = np.maximum(0, multipliers + penalty * table[:, 1:][:, which])
        summed: NDArray[np.float64] = np.sum((pushed**2 - multipliers**2) / (2 * penalty), axis=1)
        return summed

    @staticmethod
    def _rejected(total: NDArray[np.float64], table: Table, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        if not which.any():
            return total
        violation = violations(table[:, 1:][:, which])
        return np.where(violation > 0, np.where(np.isinf(total), total, REJECTED * (1 + violation)), total)


def violations(excesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum (N,) of what is above the limits, of excesses (N, C)."""
    summed: NDArray[np.float64] = np.sum(np.maximum(0, excesses), axis=1)
    return summed
