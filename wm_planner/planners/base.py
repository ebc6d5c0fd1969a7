"""The contract of a planner: a problem bound for one tick goes in, a plan comes out.

Axes: N candidates, H steps, A action components.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.config import Config
from wm_planner.costs.base import Array, Context, Cost, Latent
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

    def clip(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """`actions` (..., A) moved into the box."""
        return np.clip(actions, self.low, self.high)


@dataclass(frozen=True, slots=True)
class WeightedCost:
    """A cost in a problem: its name in the terms, and its weight."""

    name: str
    cost: Cost
    weight: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What candidates cost.

    Attributes:
        total: weighted sum of the terms, (N,); infinite where a term is not finite.
        terms: name to (N,), unweighted.
        violation: how far constraints are broken, (N,), 0 where they hold.
    """

    total: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]
    violation: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of one planner call.

    Attributes:
        actions: (H, A), card's units.
        cost: of these actions, by the problem's costs; NaN if they were never evaluated.
        terms: the cost's terms, unweighted.
        spread: standard deviation of the last sampling distribution, mean over H, per component, (A,).
        evaluations: candidates evaluated, over all iterations.
        deadline_hit: whether the deadline cut the search.
    """

    actions: NDArray[np.float32]
    cost: float
    terms: Mapping[str, float] = field(default_factory=dict)
    spread: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    iterations: int = 0
    evaluations: int = 0
    elapsed_s: float = 0.0
    deadline_hit: bool = False


class Problem:
    """A world model, a latent, costs, their context and an action space, bound for one tick.

    Raises:
        ConfigError: at construction, if a cost requires what the model's card does not offer.
    """

    def __init__(
        self,
        model: WorldModel,
        latent: Latent,
        costs: Sequence[WeightedCost],
        context: Context,
    ) -> None:
        check_costs(model, costs)
        self.model = model
        self.latent = latent
        self.costs = tuple(costs)
        self.context = context
        self.space = ActionSpace.of(model.card.action)

    def evaluate(self, actions: Array) -> Scores:
        """Scores of `actions` (N, H, A), computed in chunks of the card's `max_candidates`."""
        chunk = self.model.card.max_candidates
        parts = [self._evaluate(actions[start : start + chunk]) for start in range(0, len(actions), chunk)]
        terms = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        weights = {weighted.name: weighted.weight for weighted in self.costs}
        total = np.zeros(len(actions))
        for name, values in terms.items():
            total += weights[name] * values
        total[~np.isfinite(total)] = np.inf
        return Scores(total=total, terms=terms, violation=np.zeros(len(actions)))

    def _evaluate(self, actions: Array) -> dict[str, NDArray[np.float64]]:
        rollout = self.model.rollout(self.latent, actions)
        return {
            weighted.name: np.asarray(weighted.cost(rollout, actions, self.context), np.float64)
            for weighted in self.costs
        }


class Planner(Protocol):
    """Searches the action sequence of least cost. Same inputs and `rng` state, same plan, byte for byte."""

    @property
    def horizon(self) -> int: ...

    def plan(
        self,
        problem: Problem,
        warm_start: NDArray[np.float32] | None,
        proposals: NDArray[np.float32] | None,
        rng: np.random.Generator,
        deadline: Deadline | None,
    ) -> Plan:
        """Plan one tick.

        Args:
            problem: what to minimise.
            warm_start: a plan to start from, (H, A), or None.
            proposals: further candidates to evaluate as they are, (M, H, A), or None.
            rng: the only source of randomness.
            deadline: when to return the best so far, or None.
        """
        ...


class PlannerConfig(Config, frozen=True, kw_only=True):
    """What every sampling planner is told.

    Attributes:
        horizon: H, steps imagined ahead.
        samples: N, candidates an iteration.
    """

    horizon: int = 5
    samples: int = 64

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.samples < 1:
            raise ValueError("horizon and samples must be at least 1")


def check_costs(model: WorldModel, costs: Sequence[WeightedCost]) -> None:
    """Refuse costs that require what the card does not offer.

    Raises:
        ConfigError: naming the cost and what the card does offer.
    """
    if not costs:
        raise ConfigError("a problem needs at least one cost (planner: params.costs)")
    offers = model.card.offers
    for weighted in costs:
        for need in sorted(weighted.cost.requires):
            if not need.startswith("context:") and need not in offers:
                raise ConfigError(
                    f"cost '{weighted.name}' requires '{need}', which {model.card.name} does not offer, "
                    f"{did_you_mean(need, offers)}"
                )
