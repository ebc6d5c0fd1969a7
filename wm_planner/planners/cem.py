"""The cross-entropy method: sample from a Gaussian, refit it to the elites, repeat."""

import math

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class CEM(SamplingPlanner):
    """CEM over a diagonal Gaussian.

    Source: Rubinstein 1999; settings from Assran et al. 2025 (V-JEPA 2-AC), sec. 4.2. Differs from the latter
    in that every component of every candidate is clipped to the action box, the mean is a candidate in every
    iteration, and the best candidate of all iterations is returned instead of the last mean.
    """

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """How the distribution is fitted.

        Attributes:
            iterations: iterations of sampling and refitting.
            elites: K, number of lowest-cost candidates that the distribution is fitted to.
            momentum: weight of the old mean and standard deviation in a refit, in [0, 1).
            init_std: initial standard deviation, as a fraction of half the action range.
            min_std: lower bound of the standard deviation, as a fraction of half the action range.
        """

        iterations: int = 3
        elites: int = 8
        momentum: float = 0.0
        init_std: float = 0.8
        min_std: float = 0.08

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.iterations < 1:
                raise ValueError(f"iterations is {self.iterations}, wanted at least 1")
            if not 1 <= self.elites <= self.samples:
                raise ValueError(
                    f"elites is {self.elites}, wanted 1 to samples = {self.samples}: "
                    "lower elites (samples / 8 is usual) or raise samples"
                )
            if not 0 <= self.momentum < 1:
                raise ValueError(f"momentum is {self.momentum}, wanted at least 0 and below 1")
            if self.init_std < 0:
                raise ValueError(f"init_std is {self.init_std}, wanted at least 0")
            if not 0 <= self.min_std <= self.init_std:
                raise ValueError(
                    f"min_std is {self.min_std}, wanted 0 to init_std = {self.init_std}: lower min_std"
                )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space = self.config, search.space
        xp, floor = namespace(search.start), search.deviation(config.min_std)
        mean, std = search.knots(search.start), search.deviation(config.init_std)  # (M, A)

        for iteration in search.rounds(config.iterations):
            # 1. Sample; the first candidate is the mean.
            noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            if iteration == 0:
                candidates = with_first(candidates, search.start)  # a curve through knots may not match it
                candidates = xp.concat([candidates, search.proposals])
            # 2. Score.
            costs = search.objective((yield from search.evaluate(candidates)))
            # 3. Refit to the elites.
            elites, elite_costs = best(candidates, costs, config.elites)
            weights = equal_weights(elite_costs)
            mean, std = refit(mean, std, search.knots(elites), weights, config.momentum, floor)

        if search.has_time():
            yield from search.evaluate(search.actions(space.clip(mean)[None, ...]))
        return search.plan(spread=std)


def sample(mean: Array, std: Array, noise: Array, low: Array, high: Array) -> Array:
    """Candidates `mean + std * noise`, clipped to the box.

    Args:
        mean, std: shape (M, A).
        noise: standard normal, shape (N, M, A).
        low, high: the box, shape (M, A).

    Returns:
        Shape (N, M, A).
    """
    xp = namespace(noise)
    return xp.minimum(xp.maximum(mean + std * noise, low), high)  # twice as fast as np.clip


def with_first(rows: Array, first: Array) -> Array:
    """`rows` (N, ...) with the first one replaced by `first` (...)."""
    return namespace(rows).concat([first[None, ...], rows[1:, ...]])


def best(candidates: Array, costs: Array, count: int) -> tuple[Array, Array]:
    """The `count` lowest-cost rows of `candidates` (N, ...), best first, (K, ...), and their costs (K,)."""
    xp = namespace(candidates)
    order = xp.argsort(costs, stable=False)[:count]  # a stable sort takes three times as long in NumPy
    return xp.take(candidates, order, axis=0), xp.take(costs, order)


def equal_weights(costs: Array) -> Array:
    """Weights (K,) of elites by their `costs` (K,): equal where finite, else 0; sum 1 if any is finite."""
    xp = namespace(costs)
    finite = xp.astype(xp.isfinite(costs), costs.dtype)
    return finite / xp.maximum(xp.sum(finite), 1.0)


def refit(
    mean: Array,
    std: Array,
    elites: Array,
    weights: Array,
    momentum: float,
    floor: Array,
    variance_scale: float = 1.0,
) -> tuple[Array, Array]:
    """Mean and standard deviation of the elites, mixed with the old ones.

    Args:
        mean: the old one, shape (M, A).
        std: the old one, shape (M, A).
        elites: shape (K, M, A).
        weights: of the elites, (K,); they sum to 1, or are all 0, and then only the floor applies.
        momentum: weight of the old mean and standard deviation.
        floor: lower bound of the standard deviation, (M, A) or (A,).
        variance_scale: factor of the elites' variance, e.g. K / (K - 1) for an unbiased one.
    """
    xp = namespace(elites)
    weights = xp.astype(weights, elites.dtype)

    def expected(values: Array) -> Array:  # (K, M, A) to (M, A)
        return xp.reshape(weights @ xp.reshape(values, (-1, math.prod(mean.shape))), mean.shape)

    fitted_mean = expected(elites)
    residual = elites - fitted_mean
    fitted_std = xp.sqrt(expected(residual * residual)) * math.sqrt(variance_scale)
    step = (1 - momentum) * xp.sum(weights)  # 0 if no elite has a finite cost
    new_mean = mean + step * (fitted_mean - mean)
    new_std = xp.maximum(std + step * (fitted_std - std), floor)
    return new_mean, new_std
