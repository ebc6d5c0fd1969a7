"""The score that a driver chooses by, as a cost."""

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import ScoredProposals


class Score(DrivingCost):
    """1 less the score of `ScoringContext`: PDM's, with goals, limits and consistency."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.score
