"""MPPI: sample around a mean, move it to the average of the candidates weighted by how good they are."""

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import CEM, best, equal_shares, refit, sample
from wm_planner.planners.noise import mirrored
from wm_planner.planners.sampling import Run
from wm_planner.planners.search import Search


class MPPI(CEM):
    """Model-predictive path integral control, iterated, with a deviation that is fitted too.

    Source: Williams et al. 2017; iterated, with weights on the elites alone, a fitted deviation and
    candidates of a policy (`proposals`) in every round as in TD-MPC2 (Hansen et al. 2024). Differs in that
    the temperature has no unit, so that it need not be chosen anew for every cost, the proposals are
    evaluated once, and the best candidate ever seen is returned. `elites: samples` with
    `min_std: init_std` is Williams' MPPI.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """What MPPI adds.

        Attributes:
            temperature: at which a candidate's weight has fallen by e, in standard deviations of the
                elites' cost above the best: small follows the best, large averages.
        """

        temperature: float = 1.0

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.temperature <= 0:
                raise ValueError(f"temperature is {self.temperature}, wanted above 0")

    config: Config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space = self.config, search.space
        xp, floor = namespace(search.start), search.share(config.min_std)
        mean, std = search.knots(search.start), search.share(config.init_std)  # (M, A)
        fixed = xp.concat([search.start[None, ...], search.proposals])
        known = search.nothing

        for round_ in search.rounds(config.iterations):
            # 1. Sample; the warm start and the proposals are candidates of every round.
            noise = mirrored(search.normal(rng, config.samples // 2), config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            pool = xp.concat([fixed, candidates])
            # 2. Score; the fixed ones once.
            fresh = yield from search.evaluate(candidates if round_ else pool)
            table = xp.concat([known, fresh])
            known = table[: -config.samples, ...]
            # 3. Average.
            elites, elite_costs = best(pool, search.merits(table), config.elites)
            shares = weigh(elite_costs, config.temperature)
            mean, std = refit(mean, std, search.knots(elites), shares, config.momentum, floor)

        if search.has_time():
            yield from search.evaluate(search.actions(space.clip(mean)[None, ...]))
        return search.plan(spread=std)


def weigh(costs: Array, temperature: float) -> Array:
    """Shares (K,) of candidates by their costs (K,), best first; sum 1, those not finite get none."""
    xp = namespace(costs)
    shares = equal_shares(costs)
    finite = xp.where(shares > 0, costs, 0.0)
    above = xp.where(shares > 0, finite - finite[:1], 0.0)
    off = above - shares @ above
    scale = temperature * xp.sqrt(shares @ (off * off))
    weights = xp.where(shares > 0, xp.exp(-above / xp.where(scale > 0, scale, 1.0)), 0.0)
    return weights / xp.maximum(xp.sum(weights), 1e-30)  # 0 where no cost is finite, else at least 1
