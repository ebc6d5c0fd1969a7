"""MPPI: sample around a mean, then move it to the cost-weighted average of the candidates."""

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import CEM, best, equal_weights, refit, sample
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run
from wm_planner.planners.search import Search


class MPPI(CEM):
    """Model-predictive path integral control, iterated, with a fitted standard deviation.

    Source: Williams et al. 2017. As in TD-MPC2 (Hansen et al. 2024), it is iterated, weights only the elites,
    fits the standard deviation too, and keeps a policy's candidates (`proposals`) in every iteration. Differs
    in that the temperature is dimensionless, so it need not be tuned for every cost, the proposals are
    evaluated once, and the best candidate of all iterations is returned. `elites: samples` together with
    `min_std: init_std` gives Williams' MPPI.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """Options beyond those of CEM.

        Attributes:
            temperature: cost above the best candidate at which a weight has fallen to 1 / e, in standard
                deviations of the elites' costs: small values follow the best elite, large ones average.
        """

        temperature: float = 1.0

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.temperature <= 0:
                raise ValueError(f"temperature is {self.temperature}, wanted above 0")

    config: Config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space = self.config, search.space
        xp, floor = namespace(search.start), search.deviation(config.min_std)
        mean, std = search.knots(search.start), search.deviation(config.init_std)  # (M, A)
        fixed = xp.concat([search.start[None, ...], search.proposals])
        known = search.empty_table

        for iteration in search.rounds(config.iterations):
            # 1. Sample; the warm start and the proposals are candidates in every iteration.
            noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            pool = xp.concat([fixed, candidates])
            # 2. Score; the fixed candidates only once.
            fresh = yield from search.evaluate(candidates if iteration else pool)
            table = xp.concat([known, fresh])
            known = table[: -config.samples, ...]
            # 3. Average.
            elites, elite_costs = best(pool, search.objective(table), config.elites)
            weights = exponential_weights(elite_costs, config.temperature)
            mean, std = refit(mean, std, search.knots(elites), weights, config.momentum, floor)

        if search.has_time():
            yield from search.evaluate(search.actions(space.clip(mean)[None, ...]))
        return search.plan(spread=std)


def exponential_weights(costs: Array, temperature: float) -> Array:
    """Weights (K,) of elites by their `costs` (K,), best first; sum 1, 0 where the cost is not finite."""
    xp = namespace(costs)
    equal = equal_weights(costs)
    finite = xp.where(equal > 0, costs, 0.0)
    above = xp.where(equal > 0, finite - finite[:1], 0.0)
    residual = above - equal @ above
    scale = temperature * xp.sqrt(equal @ (residual * residual))
    weights = xp.where(equal > 0, xp.exp(-above / xp.where(scale > 0, scale, 1.0)), 0.0)
    return weights / xp.maximum(xp.sum(weights), 1e-30)  # the sum is 0 if no cost is finite, else at least 1
