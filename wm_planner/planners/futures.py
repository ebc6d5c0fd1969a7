"""Several futures per candidate: draws of the model's noise, and what of their costs counts."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config, Positive
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.cost import WeightedCost
from wm_planner.errors import ConfigError
from wm_planner.world_models.example_inputs import draw_noise

Floats = NDArray[np.float64]

Over = Literal["mean", "worst", "cvar"]
OVER: tuple[str, ...] = get_args(Over)


class FuturesConfig(Config, frozen=True, kw_only=True):
    """How many futures are imagined per candidate, and what of their costs counts.

    Attributes:
        count: K draws of the noise of all steps, the same for all candidates; 1 imagines one rollout with
            calm noise. None takes the number that the card of the model recommends.
        over: `mean` of the costs, that of the `worst` future, or `cvar`, their mean over the worst futures.
        tail: share of the futures that `cvar` averages, at least one future.
    """

    count: Positive | None = None
    over: Over = "mean"
    tail: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.tail <= 1:
            raise ValueError(f"tail is {self.tail}, wanted above 0 and at most 1")

    def draws(self, card: Card) -> int:
        """K for a model.

        Raises:
            ConfigError: if several futures are asked of a model whose steps take no noise.
        """
        count = card.futures if self.count is None else self.count
        if count > 1 and not any(spec.graph == "step" for spec in card.noise):
            raise ConfigError(
                f"futures are {count}, but the steps of {card.name} take no noise (card: noise), so all of "
                "them would be the same: set futures to 1"
            )
        return count

    def check(self, card: Card, planner: object) -> None:
        """Check that a planner can plan over the futures of a model.

        Args:
            planner: its `futures_over`, if it has one, names what of several futures it can minimise.

        Raises:
            ConfigError: if it cannot, or several futures are asked of a model whose steps take no noise.
        """
        count, able = self.draws(card), getattr(planner, "futures_over", OVER)
        if count > 1 and self.over not in able:
            kind, ways = type(planner).__name__, f"`over: {able[0]}`, " if able else ""
            plans = " or ".join(["one calm future", *(f"the {each} of several" for each in able)])
            raise ConfigError(
                f"{kind} plans over {plans}, not over the {self.over} of {count} futures of {card.name}: set "
                f"`futures: {{count: 1}}`, {ways}or choose a sampling planner"
            )

    def of(self, card: Card, rng: np.random.Generator) -> "Futures | None":
        """The futures of one plan; None for the calm one.

        Args:
            card: of the model.
            rng: of the plan. The draws come from a child of it, so that the search samples the same
                candidates with futures as without.

        Raises:
            ConfigError: if several futures are asked of a model whose steps take no noise.
        """
        count = self.draws(card)
        return Futures(self, card, count, rng.spawn(1)[0]) if count > 1 else None


class Futures:
    """K draws of a model's noise, the same for all candidates of a plan, so that their comparison is paired.

    Args:
        config: what of the costs counts.
        card: of the model.
        count: K.
        rng: the source of the draws; used once.
    """

    def __init__(self, config: FuturesConfig, card: Card, count: int, rng: np.random.Generator) -> None:
        self.config = config
        self.count = count
        self._specs = [spec for spec in card.noise if spec.graph == "step"]
        self._rng = rng
        self._drawn: dict[str, NDArray[np.float32]] = {}

    def noise(self, horizon: int) -> Mapping[str, NDArray[np.float32]]:
        """The draws, (K, H, ...) by name; the first call decides the horizon.

        Raises:
            ConfigError: for another horizon than that of the first call.
        """
        if not self._drawn:
            leading = (self.count, horizon)
            self._drawn = {spec.name: draw_noise(spec, leading, self._rng) for spec in self._specs}
        drawn = next(iter(self._drawn.values())).shape[1]
        if drawn != horizon:
            raise ConfigError(f"plans have {horizon} steps, but the futures were drawn for {drawn}")
        return self._drawn

    def reduce(self, terms: Mapping[str, Array], costs: Sequence[WeightedCost]) -> dict[str, Floats]:
        """Terms (N,) of the futures that count, by name.

        They are averaged over the futures with the largest weighted sum of terms, so that this sum is that of
        the averages; a term with a limit, over those with its own largest values.

        Args:
            terms: of all futures, (N, K).
            costs: of the problem.
        """
        if self.config.over == "mean":
            return {name: np.mean(term, axis=1) for name, term in terms.items()}
        count = 1 if self.config.over == "worst" else math.ceil(self.config.tail * self.count)
        with np.errstate(invalid="ignore"):
            free = [cost.weight * terms[cost.name] for cost in costs if cost.limit is None]
            total = np.sum(free, axis=0) if free else np.zeros_like(next(iter(terms.values())))
        reduced = {}
        for cost in costs:
            rank = total if cost.limit is None else terms[cost.name]
            finite = np.where(np.isnan(rank), np.inf, rank)
            worst = np.argsort(-finite, axis=1, kind="stable")[:, :count]  # (N, count)
            reduced[cost.name] = np.mean(np.take_along_axis(terms[cost.name], worst, axis=1), axis=1)
        return reduced
