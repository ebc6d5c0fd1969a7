"""Gradient planning: several plans at once go downhill through the model, by Adam."""

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import sample
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class Gradient(SamplingPlanner):
    """Projected Adam from the warm start, the proposals and noise around the start.

    For models with gradients: those that torch runs. Source: Kingma & Ba 2015, algorithm 1; as a planner
    over a latent model, Zhou et al. 2024 (DINO-WM), sec. 5. Differs in that steps are measured in half
    ranges of the action box and end inside it.
    """

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """How plans go downhill.

        Attributes:
            samples: plans that are improved side by side, the proposals aside.
            iterations: steps downhill.
            step: length of a step, as a share of half the action range.
            init_std: deviation of the starts around the warm start, as a share of half the action range.
        """

        samples: int = 8
        iterations: int = 20
        step: float = 0.1
        init_std: float = 0.5

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.iterations < 1 or self.step <= 0 or self.init_std < 0:
                raise ValueError(
                    f"iterations is {self.iterations}, step {self.step} and init_std {self.init_std}: "
                    "wanted iterations at least 1, step above 0 and init_std at least 0"
                )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space = self.config, search.space
        mean, std = search.knots(search.start), search.share(config.init_std)  # (M, A)
        noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
        starts = sample(mean, std, noise, search.low, search.high)
        points = np.concatenate([starts, search.knots(search.proposals)])  # (N, M, A)
        first, second = np.zeros_like(points), np.zeros_like(points)

        if search.has_time():
            yield from search.evaluate(np.concatenate([search.start[None], search.proposals]))
        for round_ in search.rounds(config.iterations):
            candidates = search.actions(points)
            scores, slope = search.problem.gradient(candidates)
            search.note(candidates, scores)
            slope = self.curve.pull_back(slope * space.half_range)  # (N, M, A), per half range
            move, first, second = adam(np.nan_to_num(slope), first, second, round_ + 1)
            points = space.clip(points - config.step * space.half_range * move)

        if search.has_time():
            yield from search.evaluate(search.actions(points))
        return search.plan(spread=np.std(points, axis=0))


def adam(slope: Array, first: Array, second: Array, step: int) -> tuple[Array, Array, Array]:
    """The direction to move against, about 1 in size, and the moments, all (N, M, A); `step` from 1."""
    xp = namespace(slope)
    first = 0.9 * first + 0.1 * slope
    second = 0.999 * second + 0.001 * slope * slope
    size = xp.sqrt(second / (1 - 0.999**step))
    return first / (1 - 0.9**step) / (size + 1e-8), first, second
