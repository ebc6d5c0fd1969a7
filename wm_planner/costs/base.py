"""The contract of a cost, and what a cost may read.

Axes: N candidates, H steps, A action components; further axes belong to the named array.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import array_api_compat
import numpy as np

from wm_planner.config import Config

Array: TypeAlias = Any
"""An array of any namespace of the array API standard (NumPy, torch, ...)."""

Latent: TypeAlias = Mapping[str, Array]
"""What an encoder gives: an ordered set of named arrays, shape (B, ...), as the card lists them."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Imagined trajectories of N candidates over H steps, the initial state left out.

    Attributes:
        latents: name to (N, H, ...), of the arrays whose role is `candidate`, in the card's order.
        states: name to (N, H, k), physical quantities with the card's units.
        outputs: name to (N, H): reward, value, continue, uncertainty, by the card's capabilities; policy is
            (N, H, n), logits of the choices after the step.
    """

    latents: Mapping[str, Array]
    states: Mapping[str, Array] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> "Rollout":
        """The trajectories of some of the candidates."""

        def some(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: array[start:stop, ...] for name, array in arrays.items()}

        return Rollout(some(self.latents), some(self.states), some(self.outputs))


@dataclass(frozen=True, slots=True)
class Context:
    """What a cost may read beside the rollout, bound for one tick.

    Attributes:
        goal: physical goal quantities by name, (k,), where the user gave some (never from a goal picture).
        goal_latent: the encoded goal picture, (1, ...).
        last_action: the action executed last, (A,), card's units, or None after a reset.
        previous_plan: the plan of the last tick shifted to this one, (H, A), or None.
        objects: name to array, tracks with forecasts.
        traffic: a driver's `Prospect` (driving/planners/proposal_scoring.py), or None off the road.
        action_scale: half the range of each action component, (A,), card's units; the problem sets it.
    """

    goal: Mapping[str, Array] = field(default_factory=dict)
    goal_latent: Latent | None = None
    last_action: Array | None = None
    previous_plan: Array | None = None
    objects: Mapping[str, Array] = field(default_factory=dict)
    traffic: Any = None
    action_scale: Array | None = None


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


_NUMPY = array_api_compat.array_namespace(np.empty(0))


def namespace(array: Array) -> Any:
    """The array API namespace of an array.

    Planners ask ten times a round, which with the library's own answer was an eighth of what CEM takes.
    """
    return _NUMPY if type(array) is np.ndarray else array_api_compat.array_namespace(array)


def match(values: Array, like: Array) -> Array:
    """`values` in the namespace and type, and on the device, of the array `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(values, dtype=like.dtype)  # what follows takes four times as long
    xp = namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like))
