"""Base class of driving costs, which evaluate imagined trajectories by the metrics of driving."""

from abc import ABC, abstractmethod

from wm_planner import config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.driving.planners.proposal_scoring import ScoredProposals, ScoringContext


class DrivingCost(ABC):
    """A cost of candidates as proposals in the current tick's `ScoringContext`."""

    class Config(config.Config, frozen=True, kw_only=True):
        """No parameters: the term's weight is enough."""

    requires = frozenset({"state:position", "state:heading", "state:speed", "context:domain"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        scoring: ScoringContext = context.domain
        return self.evaluate(scoring.evaluate_rollout(rollout.states))

    @abstractmethod
    def evaluate(self, proposals: ScoredProposals) -> Array:
        """Costs (N,) of N proposals of H + 1 states, the first of them the current one."""
