"""The best cost of a search as a function of the number of evaluated candidates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Rollout


class CostCurve:
    """The weighted sum of costs, as one cost that records the best cost of a search.

    Attributes:
        curve: number of candidates evaluated and lowest cost so far, after each call.
    """

    def __init__(self, costs: Sequence[WeightedCost]) -> None:
        self._costs = costs
        self.requires = frozenset(need for cost in costs for need in cost.cost.requires)
        self.curve: list[tuple[int, float]] = []

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> NDArray[np.float64]:
        total = np.zeros(len(actions))
        for cost in self._costs:
            total += cost.weight * np.asarray(cost.cost(rollout, actions, context), np.float64)
        count, best = self.curve[-1] if self.curve else (0, np.inf)
        self.curve.append((count + len(actions), min(best, float(total.min()))))
        return total

    def evaluations_to(self, cost: float) -> float:
        """Number of candidates evaluated until the best cost was at most `cost`; infinite if it never was."""
        return next((count for count, best in self.curve if best <= cost), np.inf)

    def best_after(self, count: int) -> float:
        """The lowest cost among the first `count` candidates; infinite before the first call ended."""
        return min((best for evaluated, best in self.curve if evaluated <= count), default=np.inf)
