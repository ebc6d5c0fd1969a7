"""Costs that remember: the least cost so far, by how many candidates were evaluated."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Rollout


class CostCurve:
    """The weighted sum of costs as one cost that keeps the curve of a search.

    Attributes:
        curve: candidates evaluated so far, and the least cost among them, call by call.
    """

    def __init__(self, costs: Sequence[WeightedCost]) -> None:
        self._costs = costs
        self.requires = frozenset(need for cost in costs for need in cost.cost.requires)
        self.curve: list[tuple[int, float]] = []

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> NDArray[np.float64]:
        total = np.zeros(len(actions))
        for cost in self._costs:
            total += cost.weight * np.asarray(cost.cost(rollout, actions, context), np.float64)
        count, least = self.curve[-1] if self.curve else (0, np.inf)
        self.curve.append((count + len(actions), min(least, float(total.min()))))
        return total

    def evaluations_to(self, cost: float) -> float:
        """Candidates evaluated until one cost no more than `cost`; infinite if none did."""
        return next((count for count, least in self.curve if least <= cost), np.inf)

    def best_after(self, count: int) -> float:
        """The least cost among the first `count` candidates; infinite before the first call ended."""
        return min((least for done, least in self.curve if done <= count), default=np.inf)
