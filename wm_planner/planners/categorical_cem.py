"""The cross-entropy method for discrete actions: sample choices, refit their probabilities, repeat."""

from typing import ClassVar

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.cem import best, equal_weights
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class CategoricalCEM(SamplingPlanner):
    """CEM over one categorical distribution per step. Source: Rubinstein 1999, sec. 3.

    Differs in that the most likely plan is a candidate in every iteration, as the mean is in `CEM`, and in
    that the best candidate of all iterations is returned. Knots must use `hold`, which is action repeat.
    """

    discrete: ClassVar[bool] = True

    class Config(SamplingConfig, frozen=True, kw_only=True):
        """How the probabilities are fitted.

        Attributes:
            iterations: iterations of sampling and refitting.
            elites: K, number of lowest-cost candidates that the probabilities are fitted to.
            momentum: weight of the old probabilities in a refit, in [0, 1).
            min_probability: weight of the uniform distribution mixed into every refit, in [0, 1); every
                choice keeps at least this divided by the number of choices.
            trust: weight of the warm start's choices in the initial probabilities, in [0, 1); the rest is
                uniform.
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
            fractions = (self.momentum, self.min_probability, self.trust)
            if not all(0 <= fraction < 1 for fraction in fractions):
                raise ValueError(
                    f"momentum, min_probability and trust are {fractions}, wanted at least 0 and below 1"
                )
            if self.knots and self.knots.curve != "hold":
                raise ValueError(f"knots.curve is {self.knots.curve}, wanted `hold` for discrete actions")

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, choices = self.config, search.space.choices
        chosen = search.knots(search.start[:, 0:1])[:, 0].round().astype(int)  # (M,)
        uniform = np.full((len(chosen), choices), 1 / choices)
        probabilities = (1 - config.trust) * uniform + config.trust * np.eye(choices)[chosen]  # (M, n)

        for iteration in search.rounds(config.iterations):
            # 1. Sample; the first candidate is the most likely plan.
            drawn = choose(probabilities, rng.random((config.samples, len(chosen))))  # (N, M)
            drawn[0] = np.argmax(probabilities, axis=1)
            candidates = search.actions(drawn[..., None].astype(np.float32))
            if iteration == 0:
                candidates = np.concatenate([search.start[None], candidates, search.proposals])
            # 2. Score.
            costs = search.objective((yield from search.evaluate(candidates)))
            # 3. Refit to the elites.
            elites, elite_costs = best(candidates, costs, config.elites)
            elite_choices = search.knots(elites)[..., 0].round().astype(int)  # (K, M)
            one_hot = np.eye(choices)[elite_choices]  # (K, M, n)
            probabilities = refit_choices(
                probabilities, one_hot, equal_weights(elite_costs), config.momentum, config.min_probability
            )

        spread = np.sqrt(np.sum(probabilities * (1 - probabilities), axis=1))[:, None]  # (M, 1)
        return search.plan(spread=spread.astype(np.float32))


def choose(probabilities: Array, uniforms: Array) -> Array:
    """Choices (N, M) drawn from `probabilities` (M, n) by inverting their CDF at `uniforms` (N, M)."""
    xp = namespace(probabilities)
    sums = xp.cumulative_sum(probabilities, axis=1)[None, :, :-1]  # (1, M, n - 1): the last is 1
    return xp.sum(xp.astype(uniforms[:, :, None] >= sums, xp.int64), axis=2)


def refit_choices(
    probabilities: Array, choices: Array, weights: Array, momentum: float, min_probability: float
) -> Array:
    """Frequencies of the elites' choices, mixed with the old probabilities and the uniform distribution.

    Args:
        probabilities: the old ones, (M, n).
        choices: of the elites, one-hot, (K, M, n).
        weights: of the elites, (K,); they sum to 1, or are all 0 if no elite has a finite cost.
        momentum: weight of the old probabilities.
        min_probability: weight of the uniform distribution.

    Returns:
        The new probabilities, (M, n).
    """
    xp = namespace(probabilities)
    fitted = xp.sum(xp.reshape(weights, (-1, 1, 1)) * choices, axis=0)
    step = (1 - momentum) * xp.sum(weights)
    mixed = probabilities + step * (fitted - xp.sum(weights) * probabilities)
    return (1 - min_probability) * mixed + min_probability / probabilities.shape[1]
