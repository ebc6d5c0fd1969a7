"""Gradient planning: descend the cost of several plans at once with Adam, through the model."""

from typing import ClassVar

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import sample
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class Gradient(SamplingPlanner):
    """Projected Adam, started from the warm start, the proposals and noise around the warm start.

    Needs a `Differentiable` model. Source: Kingma & Ba 2015, algorithm 1; for planning with a latent model,
    Zhou et al. 2024 (DINO-WM), sec. 5. Differs in that steps are scaled by half the action range and
    projected back into the action box.
    """

    futures_over: ClassVar[tuple[str, ...]] = ()

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """Gradient descent.

        Attributes:
            samples: number of plans optimised in parallel, not counting the proposals.
            iterations: gradient steps.
            step: step size, as a fraction of half the action range.
            init_std: standard deviation of the initial plans around the warm start, as a fraction of half
                the action range.
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
        mean, std = search.knots(search.start), search.deviation(config.init_std)  # (M, A)
        noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
        starts = sample(mean, std, noise, search.low, search.high)
        points = np.concatenate([starts, search.knots(search.proposals)])  # (N, M, A)
        first, second = np.zeros_like(points), np.zeros_like(points)

        if search.has_time():
            yield from search.evaluate(np.concatenate([search.start[None], search.proposals]))
        for iteration in search.rounds(config.iterations):
            candidates = search.actions(points)
            scores, gradient = search.problem.gradient(candidates)
            search.record(candidates, scores)
            gradient = self.curve.pull_back(gradient * space.half_range)  # (N, M, A), per half range
            direction, first, second = adam(np.nan_to_num(gradient), first, second, iteration + 1)
            points = space.clip(points - config.step * space.half_range * direction)

        if search.has_time():
            yield from search.evaluate(search.actions(points))
        return search.plan(spread=np.std(points, axis=0))


def adam(gradient: Array, first: Array, second: Array, step: int) -> tuple[Array, Array, Array]:
    """One Adam update.

    Args:
        gradient: shape (N, M, A).
        first, second: moments after the previous step, shape (N, M, A), zeros at first.
        step: number of this step, from 1.

    Returns:
        The direction to subtract, of magnitude about 1, and both updated moments, each (N, M, A).
    """
    xp = namespace(gradient)
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient * gradient
    scale = xp.sqrt(second / (1 - 0.999**step))
    return first / (1 - 0.9**step) / (scale + 1e-8), first, second
