"""Ride comfort and consistency with previous plans."""

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import ScoredProposals
from wm_planner.driving.vehicle.comfort import LIMITS


class Comfort(DrivingCost):
    """Largest excess over each of nuPlan's comfort limits as a fraction of it, summed over the limits.

    nuPlan's comfort metric is 1 where this is 0."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        comfort = proposals.trajectories.comfort()._asdict()
        excess = [_excess(comfort[name], *limits) for name, limits in LIMITS.items()]
        return np.sum(excess, axis=0)


class PlanConsistency(DrivingCost):
    """Excess of the differences to previous plans over a fraction of NAVSIM's limits (EC), mean over all."""

    TOLERANCE = 0.6  # fraction of the limit; the rest is left for tracking errors

    def evaluate(self, proposals: ScoredProposals) -> Array:
        excess = [
            np.maximum(change - self.TOLERANCE, 0.0)
            for changes in proposals.plan_changes
            for change in changes
        ]
        return np.mean(excess, axis=0) if excess else np.zeros(proposals.trajectories.count)


def _excess(values: Array, low: float, high: float) -> Array:
    """Largest excess of values (N, T) over limits, as a fraction of them, (N,)."""
    return np.maximum(np.maximum(values / high, values / low).max(axis=1) - 1.0, 0.0)
