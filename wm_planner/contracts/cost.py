"""The contract of a cost.

Axes: N candidates, H steps, A action components; further axes belong to the named array.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from wm_planner.config import Config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout


class Cost(Protocol):
    """A pure function of imagined trajectories, written once in the array API; lower is better, always.

    `requires` names what it reads, checked when a problem or a controller is built: "latent:z",
    "state:tcp_position", "output:reward", "context:goal_latent", "context:goal.tcp_position".
    """

    @property
    def requires(self) -> frozenset[str]: ...

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        """Costs of shape (N,) for actions of shape (N, H, A) in the card's units."""
        ...


class Limit(Config, frozen=True, kw_only=True):
    """Makes a term a constraint: it is no part of the total, but must not be above a bound.

    Attributes:
        at_most: the bound, in the term's unit.
        by: `rejection` prefers what keeps the bound, whatever it costs; `penalty` adds what is above it,
            times `penalty`, to the total; `lagrangian` does so with multipliers that grow until it is kept.
        penalty: cost of one unit above the bound; of one unit squared for `lagrangian`, twice.
    """

    at_most: float = 0.0
    by: Literal["rejection", "penalty", "lagrangian"] = "rejection"
    penalty: float = 100.0

    def __post_init__(self) -> None:
        if self.penalty <= 0:
            raise ValueError(f"penalty is {self.penalty}, wanted above 0")


@dataclass(frozen=True, slots=True)
class WeightedCost:
    """A cost in a problem: its name in the terms, and its weight, or the limit that it must keep."""

    name: str
    cost: Cost
    weight: float = 1.0
    limit: Limit | None = None
