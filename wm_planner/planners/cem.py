"""The cross-entropy method: sample around a mean, refit mean and deviation to the best, repeat."""

import math

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class CEM(SamplingPlanner):
    """CEM over a diagonal Gaussian.

    Source: Rubinstein 1999; the settings of Assran et al. 2025 (V-JEPA 2-AC), sec. 4.2. Differs from the
    latter in that every candidate is clipped to the box in all components, the mean is a candidate of every
    round, and the best candidate ever seen is returned, not the last mean.
    """

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """How the distribution is fitted.

        Attributes:
            iterations: rounds of sampling and refitting.
            elites: K, the candidates of least cost that the distribution is fitted to.
            momentum: share of the old mean and deviation that is kept at a refit, in [0, 1).
            init_std: deviation of the first round, as a share of half the action range.
            min_std: floor of the deviation, as a share of half the action range.
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
        xp, floor = namespace(search.start), search.share(config.min_std)
        mean, std = search.knots(search.start), search.share(config.init_std)  # (M, A)

        for round_ in search.rounds(config.iterations):
            # 1. Sample; the first candidate is the mean itself.
            noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            if round_ == 0:
                candidates = with_first(candidates, search.start)  # which knots may not meet exactly
                candidates = xp.concat([candidates, search.proposals])
            # 2. Score.
            costs = search.merits((yield from search.evaluate(candidates)))
            # 3. Refit to the elites.
            elites, elite_costs = best(candidates, costs, config.elites)
            shares = equal_shares(elite_costs)
            mean, std = refit(mean, std, search.knots(elites), shares, config.momentum, floor)

        if search.has_time():
            yield from search.evaluate(search.actions(space.clip(mean)[None, ...]))
        return search.plan(spread=std)


def sample(mean: Array, std: Array, noise: Array, low: Array, high: Array) -> Array:
    """Candidates (N, M, A) inside the box, from mean and std (M, A), noise (N, M, A), low, high (M, A)."""
    xp = namespace(noise)
    return xp.minimum(xp.maximum(mean + std * noise, low), high)  # clip takes twice as long in NumPy


def with_first(rows: Array, first: Array) -> Array:
    """The rows (N, ...), the first of them replaced by `first` (...)."""
    return namespace(rows).concat([first[None, ...], rows[1:, ...]])


def best(candidates: Array, costs: Array, count: int) -> tuple[Array, Array]:
    """The `count` candidates (or rows of any kind) of least cost, best first: (K, ...), and costs (K,)."""
    xp = namespace(candidates)
    order = xp.argsort(costs, stable=False)[:count]  # stable takes three times as long in NumPy
    return xp.take(candidates, order, axis=0), xp.take(costs, order)


def equal_shares(costs: Array) -> Array:
    """Shares (K,) of elites by their costs (K,): equal, sum 1; those that are not finite get none."""
    xp = namespace(costs)
    finite = xp.astype(xp.isfinite(costs), costs.dtype)
    return finite / xp.maximum(xp.sum(finite), 1.0)


def refit(
    mean: Array, std: Array, elites: Array, shares: Array, momentum: float, floor: Array
) -> tuple[Array, Array]:
    """Mean and deviation of the elites, mixed with the old ones.

    Args:
        mean: shape (M, A).
        std: shape (M, A).
        elites: shape (K, M, A).
        shares: of each elite, (K,), sum 1, or 0 where none counts: then nothing changes.
        momentum: share of the old that is kept.
        floor: least deviation, (M, A) or (A,).
    """
    xp = namespace(elites)
    shares = xp.astype(shares, elites.dtype)

    def expected(values: Array) -> Array:  # (K, M, A) to (M, A)
        return xp.reshape(shares @ xp.reshape(values, (-1, math.prod(mean.shape))), mean.shape)

    fitted_mean = expected(elites)
    off = elites - fitted_mean
    fitted_std = xp.sqrt(expected(off * off))
    step = (1 - momentum) * xp.sum(shares)  # 0 where no elite counts
    new_mean = mean + step * (fitted_mean - mean)
    new_std = xp.maximum(std + step * (fitted_std - std), floor)
    return new_mean, new_std
