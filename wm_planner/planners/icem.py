"""iCEM: the cross-entropy method with coloured noise and elite reuse across iterations and ticks."""

import math

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.planners.cem import CEM, best, equal_weights, refit, sample
from wm_planner.planners.sampling import Run
from wm_planner.planners.search import Search


class ICEM(CEM):
    """Improved CEM for real time: temporally correlated samples, a shrinking population and elite reuse.

    Source: Pinneri et al. 2020, algorithm 1. Differs in that reused elites keep their cost and are not
    evaluated again, the warm start is a candidate in the first iteration, and the mean is evaluated after the
    last refit instead of before it. The elites reused in the next tick are in `Plan.elites`.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """Options beyond those of CEM.

        Attributes:
            noise_beta: exponent of the noise's power spectrum along the horizon, 1 / f^beta: 0 is white
                noise, 2 a random walk; at most 100.
            decay: factor by which the population shrinks per iteration, at least 1.
            keep: fraction of the elites reused as candidates in the next iteration and the next tick, 0 to 1.
        """

        momentum: float = 0.1
        noise_beta: float = 2.0
        decay: float = 1.25
        keep: float = 0.3

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.noise_beta <= 100 or self.decay < 1 or not 0 <= self.keep <= 1:
                raise ValueError(
                    f"noise_beta is {self.noise_beta}, decay {self.decay} and keep {self.keep}: "
                    "wanted noise_beta in 0..100, decay >= 1 and keep in 0..1"
                )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._colour = colour_matrix(self.curve.knots, config.noise_beta)
        self._keep = math.ceil(config.keep * config.elites)

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, space = self.config, search.space
        xp, floor = namespace(search.start), search.deviation(config.min_std)
        mean, std = search.knots(search.start), search.deviation(config.init_std)  # (M, A)
        kept, kept_table = search.proposals[:0, ...], search.empty_table

        for iteration in search.rounds(config.iterations):
            # 1. Sample smooth candidates; the first iteration adds the warm start and earlier ticks' elites.
            white = rng.standard_normal((self.population(iteration), *mean.shape), dtype=np.float32)
            smooth = sample(mean, std, coloured(white, self._colour), search.low, search.high)
            candidates = search.actions(smooth)
            if iteration == 0:
                candidates = xp.concat([search.start[None, ...], search.proposals, candidates])
            # 2. Score the new candidates; reused elites keep their cost.
            table = yield from search.evaluate(candidates)
            pool, pool_table = xp.concat([kept, candidates]), xp.concat([kept_table, table])
            # 3. Refit to the elites, and reuse some.
            costs = search.objective(pool_table)
            elites, elite_costs = best(pool, costs, config.elites)
            weights = equal_weights(elite_costs)
            mean, std = refit(mean, std, search.knots(elites), weights, config.momentum, floor)
            kept = elites[: self._keep, ...]
            kept_table, _ = best(pool_table, costs, self._keep)

        if search.has_time():
            yield from search.evaluate(search.actions(space.clip(mean)[None, ...]))
        return search.plan(spread=std, elites=kept[xp.isfinite(kept_table[:, 0])])

    def population(self, iteration: int) -> int:
        """Candidates sampled in an iteration: decays, but not below twice the elites (at most `samples`)."""
        config = self.config
        return min(config.samples, max(round(config.samples * config.decay**-iteration), 2 * config.elites))


def coloured(white: Array, matrix: Array) -> Array:
    """White noise (N, H, A) coloured along H by a colour matrix (H, H)."""
    xp = namespace(white)
    return xp.matmul(match(matrix, white), white)


def colour_matrix(horizon: int, beta: float) -> NDArray[np.float32]:
    """The linear map (H, H) from white noise to noise of power spectrum 1 / f^beta and variance 1.

    A matrix product is as exact as a Fourier transform in every iteration, faster at these sizes, and exports
    to any compute graph. Source: Timmer & König 1995; the zero frequency gets the power of the lowest one.
    """
    frequencies = np.fft.rfftfreq(horizon)  # (H // 2 + 1,)
    frequencies[0] = frequencies[1] if horizon > 1 else 1.0
    amplitudes = frequencies ** (-beta / 2)
    paired = slice(1, (horizon + 1) // 2)  # frequencies that have both a sine and a cosine
    unpaired = np.ones(len(frequencies), bool)
    unpaired[paired] = False  # the zero and the Nyquist frequency: half the power of a pair
    amplitudes[unpaired] /= np.sqrt(2)
    angles = 2 * np.pi * np.outer(np.arange(horizon), np.arange(len(frequencies))) / horizon
    basis = np.concatenate([amplitudes * np.cos(angles), (amplitudes * np.sin(angles))[:, paired]], axis=1)
    return np.asarray(basis / np.linalg.norm(basis, axis=1, keepdims=True), np.float32)
