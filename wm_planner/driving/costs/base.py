"""What all costs of driving have in common: they are metrics of imagined trajectories as drives."""

from abc import ABC, abstractmethod

from wm_planner import config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.driving.planners.proposal_scoring import Outlook, Prospect


class DrivingCost(ABC):
    """A cost of how candidates would drive among others, as the tick's prospect sees it."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = frozenset({"state:position", "state:heading", "state:speed", "context:traffic"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        prospect: Prospect = context.traffic
        return self.of(prospect.imagined(rollout.states))

    @abstractmethod
    def of(self, seen: Outlook) -> Array:
        """Costs (N,) of drives (N, H + 1), the first moment now."""
