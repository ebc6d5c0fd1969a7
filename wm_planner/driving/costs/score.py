"""The score that drivers select proposals by, as a cost."""

from wm_planner.contracts.arrays import Array
from wm_planner.driving.costs.base import DrivingCost
from wm_planner.driving.planners.proposal_scoring import ScoredProposals


class Score(DrivingCost):
    """1 minus `ScoredProposals.score`."""

    def evaluate(self, proposals: ScoredProposals) -> Array:
        return 1 - proposals.score
