"""The score that a driver chooses by, as a cost."""

from wm_planner import config
from wm_planner.costs.base import Array, Context, Rollout
from wm_planner.costs.driving.imagined import REQUIRES, imagined


class Score:
    """1 less the score of `Prospect`: PDM's, with goals, limits and consistency."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        seen = imagined(rollout, context)
        return 1 - seen.score
