"""What a planner minimises: a world model, a latent, costs and their context, bound for one tick."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.costs.base import Array, Context, Latent, WeightedCost
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.world_models.base import WorldModel
from wm_planner.world_models.card import ActionSpec


@dataclass(frozen=True, slots=True)
class ActionSpace:
    """The box of actions, in physical units."""

    low: NDArray[np.float32]  # (A,)
    high: NDArray[np.float32]  # (A,)

    @classmethod
    def of(cls, spec: ActionSpec) -> "ActionSpace":
        """The box that a card declares."""
        return cls(np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32))

    @property
    def size(self) -> int:
        """A, the number of action components."""
        return len(self.low)

    @property
    def half_range(self) -> NDArray[np.float32]:
        """Half the width of the box, (A,)."""
        return (self.high - self.low) / np.float32(2)

    def clip(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """`actions` (..., A) moved into the box."""
        return np.clip(actions, self.low, self.high)

    def hold(self, steps: int) -> NDArray[np.float32]:
        """The plan of doing nothing, zeros moved into the box, (steps, A)."""
        return self.clip(np.zeros((steps, self.size), np.float32))


@dataclass(frozen=True, slots=True)
class Scores:
    """What candidates cost.

    Attributes:
        total: weighted sum of the terms, (N,); infinite where a term is not finite.
        terms: name to (N,), unweighted.
    """

    total: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]


class Problem:
    """A world model, a latent, costs and their context, bound for one tick.

    Args:
        model: what imagines the candidates.
        latent: where they start, arrays (1, ...).
        costs: what they are judged by.
        context: what the costs may read beside the rollout.

    Raises:
        ConfigError: if a cost requires what the model's card or the context does not offer.
    """

    def __init__(
        self, model: WorldModel, latent: Latent, costs: Sequence[WeightedCost], context: Context
    ) -> None:
        check_costs(model, costs)
        _check_context(context, costs)
        self.model = model
        self.latent = latent
        self.costs = tuple(costs)
        self.space = ActionSpace.of(model.card.action)
        self.context = dataclasses.replace(context, action_scale=self.space.half_range)

    def evaluate(self, actions: Array) -> Scores:
        """Scores of `actions` (N, H, A), computed in chunks of the card's `max_candidates`."""
        chunk = self.model.card.max_candidates
        parts = [self._terms(actions[start : start + chunk]) for start in range(0, len(actions), chunk)]
        terms = {cost.name: np.concatenate([part[cost.name] for part in parts]) for cost in self.costs}
        total = np.zeros(len(actions))
        with np.errstate(invalid="ignore", over="ignore"):
            for cost in self.costs:
                total += cost.weight * terms[cost.name]
        total[~np.isfinite(total)] = np.inf
        return Scores(total, terms)

    def _terms(self, actions: Array) -> dict[str, NDArray[np.float64]]:
        rollout = self.model.rollout(self.latent, actions)
        return {
            cost.name: np.asarray(cost.cost(rollout, actions, self.context), np.float64)
            for cost in self.costs
        }


def check_costs(model: WorldModel, costs: Sequence[WeightedCost]) -> None:
    """Refuse costs that require what neither the card nor a context offers.

    Raises:
        ConfigError: naming the cost and what there is.
    """
    if not costs:
        raise ConfigError("a problem needs at least one cost (planner: params.costs)")
    context = {f"context:{field.name}" for field in dataclasses.fields(Context)}
    offers = model.card.offers | context
    for weighted in costs:
        for need in sorted(weighted.cost.requires):
            if need not in offers and need.partition(".")[0] not in context:
                raise ConfigError(
                    f"cost '{weighted.name}' requires '{need}', which {model.card.name} does not offer, "
                    f"{did_you_mean(need, offers)}"
                )


def _check_context(context: Context, costs: Sequence[WeightedCost]) -> None:
    """Refuse a tick that lacks what a cost reads, e.g. "context:goal_latent", "context:goal.tcp_position"."""
    for weighted in costs:
        for need in sorted(weighted.cost.requires):
            kind, _, path = need.partition(":")
            if kind != "context":
                continue
            name, _, key = path.partition(".")
            held = getattr(context, name)
            if held is None or (key and key not in held):
                raise ConfigError(
                    f"cost '{weighted.name}' requires '{need}', and this tick's {name} holds "
                    f"{', '.join(held) if held else 'nothing'}: set the goal before planning"
                )
