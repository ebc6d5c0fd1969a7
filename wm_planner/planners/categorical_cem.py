"""The cross-entropy method for discrete actions: sample choices, refit their probabilities, repeat."""

from typing import ClassVar

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import best, equal_shares
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class CategoricalCEM(SamplingPlanner):
    """CEM over a categorical distribution a step. Source: Rubinstein 1999, sec. 3.

    Differs in that the likeliest plan is a candidate of every round, as the mean is in CEM, and the best
    candidate ever seen is returned. With knots, only `hold` makes sense: it is the action repeat.
    """

    discrete: ClassVar[bool] = True

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """How the probabilities are fitted.

        Attributes:
            iterations: rounds of sampling and refitting.
            elites: K, the candidates of least cost whose frequencies are taken.
            momentum: share of the old probabilities that is kept at a refit, in [0, 1).
            min_probability: floor of every choice, times the number of choices, in [0, 1).
            trust: probability of the warm start's choices in the first round, in [0, 1); the rest is even.
        """

        iterations: int = 4
        elites: int = 8
        momentum: float = 0.1
        min_probability: float = 0.05
        trust: float = 0.5

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.iterations < 1 or not 1 <= self.elites <= self.samples:
                raise ValueError(
                    f"iterations is {self.iterations}, elites {self.elites} and samples {self.samples}: "
                    "wanted iterations at least 1 and elites 1 to samples"
                )
            shares = (self.momentum, self.min_probability, self.trust)
            if not all(0 <= share < 1 for share in shares):
                raise ValueError(
                    f"momentum, min_probability and trust are {shares}, wanted at least 0 and below 1"
                )
            if self.knots and self.knots.curve != "hold":
                raise ValueError(f"knots.curve is {self.knots.curve}: between choices only `hold` goes")

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, choices = self.config, search.space.choices
        chosen = search.knots(search.start[:, 0:1])[:, 0].round().astype(int)  # (M,)
        even = np.full((len(chosen), choices), 1 / choices)
        probabilities = (1 - config.trust) * even + config.trust * np.eye(choices)[chosen]  # (M, n)

        for round_ in search.rounds(config.iterations):
            # 1. Sample; the first candidate is the likeliest.
            shares = rng.random((config.samples, len(chosen)))
            drawn = choose(probabilities, shares)  # (N, M)
            drawn[0] = np.argmax(probabilities, axis=1)
            candidates = search.actions(drawn[..., None].astype(np.float32))
            if round_ == 0:
                candidates = np.concatenate([search.start[None], candidates, search.proposals])
            # 2. Score.
            costs = search.merits((yield from search.evaluate(candidates)))
            # 3. Refit to the elites.
            elites, elite_costs = best(candidates, costs, config.elites)
            own = search.knots(elites)[..., 0].round().astype(int)  # (K, M)
            counts = np.eye(choices)[own]  # (K, M, n)
            probabilities = refit_choices(
                probabilities, counts, equal_shares(elite_costs), config.momentum, config.min_probability
            )

        spread = np.sqrt(np.sum(probabilities * (1 - probabilities), axis=1))[:, None]  # (M, 1)
        return search.plan(spread=spread.astype(np.float32))


def choose(probabilities: Array, shares: Array) -> Array:
    """Choices (N, M) of probabilities (M, n), by where uniform `shares` (N, M) fall in their sums."""
    xp = namespace(probabilities)
    sums = xp.cumulative_sum(probabilities, axis=1)[None, :, :-1]  # (1, M, n - 1): the last is 1
    return xp.sum(xp.astype(shares[:, :, None] >= sums, xp.int64), axis=2)


def refit_choices(probabilities: Array, counts: Array, shares: Array, momentum: float, least: float) -> Array:
    """Probabilities (M, n) of the elites' choices, mixed with the old ones and with even ones.

    Args:
        probabilities: shape (M, n).
        counts: of the elites, one-hot, (K, M, n).
        shares: of each elite, (K,), sum 1, or 0 where none counts.
        momentum: share of the old that is kept.
        least: share of the even distribution.
    """
    xp = namespace(probabilities)
    fitted = xp.sum(xp.reshape(shares, (-1, 1, 1)) * counts, axis=0)
    step = (1 - momentum) * xp.sum(shares)
    mixed = probabilities + step * (fitted - xp.sum(shares) * probabilities)
    return (1 - least) * mixed + least / probabilities.shape[1]
