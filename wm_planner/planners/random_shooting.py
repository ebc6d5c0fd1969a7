"""Random shooting: the best of uniformly sampled candidates. The baseline for every other planner."""

import numpy as np

from wm_planner.contracts.arrays import namespace
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class RandomShooting(SamplingPlanner):
    """One iteration of uniform candidates in the action box. Source: Nagabandi et al. 2018, sec. IV-D."""

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """No options beyond horizon, samples and knots."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space, xp = self.config, search.space, namespace(search.start)
        for _ in search.rounds(1):
            uniforms = rng.random((config.samples, self.curve.knots, space.size), dtype=np.float32)
            shots = search.actions(space.clip(space.low + uniforms * (space.high - space.low)))  # (N, H, A)
            yield from search.evaluate(xp.concat([search.start[None, ...], search.proposals, shots]))
        deviation = space.half_range / np.sqrt(np.float32(3))  # of the uniform distribution
        return search.plan(spread=deviation[None])
