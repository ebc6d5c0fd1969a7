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
    """A pure function of imagined trajectories, written in the array API; lower is always better.

    Attributes:
        requires: what the cost reads, checked when a `Problem` or a `RecedingHorizon` is built: "latent:z",
            "state:tcp_position", "output:reward", "context:goal_latent", "context:goal.tcp_position".
    """

    @property
    def requires(self) -> frozenset[str]: ...

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        """Costs (N,) of `actions` (N, H, A), card's units, that lead to `rollout`."""
        ...


class Limit(Config, frozen=True, kw_only=True):
    """Turns a cost term into an inequality constraint, `term <= at_most`, instead of a part of the total.

    Attributes:
        at_most: the bound, in the term's unit.
        by: how violations are handled. `rejection` prefers every feasible candidate to every infeasible one;
            `penalty` adds the violation times `penalty` to the total; `lagrangian` uses an augmented
            Lagrangian, whose multiplier grows until the bound holds.
        penalty: cost per unit of violation; for `lagrangian`, the factor of half the squared violation.
    """

    at_most: float = 0.0
    by: Literal["rejection", "penalty", "lagrangian"] = "rejection"
    penalty: float = 100.0

    def __post_init__(self) -> None:
        if self.penalty <= 0:
            raise ValueError(f"penalty is {self.penalty}, wanted above 0")


@dataclass(frozen=True, slots=True)
class WeightedCost:
    """A cost as part of a problem.

    Attributes:
        name: of its term in plans, logs and messages.
        weight: factor of the term in the total; ignored if there is a limit.
        limit: makes the term a constraint.
    """

    name: str
    cost: Cost
    weight: float = 1.0
    limit: Limit | None = None
