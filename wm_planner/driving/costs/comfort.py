"""How trajectories feel, and whether they feel as the plan before did."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import ScoredProposals
from wm_planner.driving.vehicle.comfort import LIMITS


class Comfort(DrivingCost):
    """By how much limits of comfort are exceeded, in shares of them, summed, at the worst moments.

    nuPlan's comfort is whether this is 0."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        felt = proposals.trajectories.comfort()._asdict()
        above = [_above(felt[name], *limits) for name, limits in LIMITS.items()]
        return np.sum(above, axis=0)


class PlanConsistency(DrivingCost):
    """By how much plans differ from the ones before, in shares of NAVSIM's limits (EC), where above 1."""

    SLACK = 0.6  # of the limit, so that there is room for how a plan is driven

    def evaluate(self, proposals: ScoredProposals) -> Array:
        above = [
            np.maximum(share - self.SLACK, 0.0) for changed in proposals.plan_changes for share in changed
        ]
        return np.mean(above, axis=0) if above else np.zeros(proposals.trajectories.count)


def _above(values: Array, low: float, high: float) -> Array:
    """How far values (N, T) get beyond limits, as a share of them, (N,)."""
    return np.maximum(np.maximum(values / high, values / low).max(axis=1) - 1.0, 0.0)
