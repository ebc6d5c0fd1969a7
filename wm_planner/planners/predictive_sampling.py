"""Predictive sampling: the best of the last plan and Gaussian candidates around it."""

import numpy as np

from wm_planner.contracts.arrays import namespace
from wm_planner.planners.cem import sample
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class PredictiveSampling(SamplingPlanner):
    """One iteration around the warm start, refined from tick to tick; usually with few knots.

    Source: Howell et al. 2022 (MJPC), sec. 4.1.
    """

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """The sampling distribution.

        Attributes:
            std: standard deviation of the candidates, as a fraction of half the action range.
        """

        std: float = 0.3

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.std <= 0:
                raise ValueError(f"std is {self.std}, wanted above 0")

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        xp, mean = namespace(search.start), search.knots(search.start)  # (M, A)
        std = search.deviation(self.config.std)
        for _ in search.rounds(1):
            noise = search.normal(rng, self.config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            yield from search.evaluate(xp.concat([search.start[None, ...], search.proposals, candidates]))
        return search.plan(spread=std)
