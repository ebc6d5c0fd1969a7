"""What all costs of driving have in common: they are metrics of imagined trajectories as trajectories."""

from abc import ABC, abstractmethod

from wm_planner import config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.driving.planners.proposal_scoring import ScoredProposals, ScoringContext


class DrivingCost(ABC):
    """A cost of how candidates would drive among others, as the tick's scoring sees it."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = frozenset({"state:position", "state:heading", "state:speed", "context:domain"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        scoring: ScoringContext = context.domain
        return self.evaluate(scoring.evaluate_rollout(rollout.states))

    @abstractmethod
    def evaluate(self, proposals: ScoredProposals) -> Array:
        """Costs (N,) of trajectories (N, H + 1), the first moment now."""
