"""What callers give to a planner, checked where it enters: costs, contexts and arrays."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.world_model import WorldModel
from wm_planner.errors import ConfigError, ShapeError, did_you_mean
from wm_planner.planners.action_space import ActionSpace


def check_costs(model: WorldModel, costs: Sequence[WeightedCost]) -> None:
    """Refuse costs that require what neither the card nor a context offers.

    Raises:
        ConfigError: naming the cost and what there is.
    """
    if not costs:
        raise ConfigError("a problem needs at least one cost: costs are empty")
    context = {f"context:{field.name}" for field in dataclasses.fields(Context)}
    offers = model.card.offers | context
    for weighted in costs:
        _check_cost(weighted)
        for need in sorted(weighted.cost.requires):
            if need not in offers and need.partition(".")[0] not in context:
                raise ConfigError(
                    f"cost '{weighted.name}' requires '{need}', which {model.card.name} does not offer, "
                    f"{did_you_mean(need, offers)}"
                )


def _check_cost(weighted: WeightedCost) -> None:
    if not isinstance(weighted, WeightedCost):
        raise ConfigError(
            f"got {weighted!r} for a cost, wanted a WeightedCost: wm.build_costs makes them of mappings"
        )
    requires = getattr(weighted.cost, "requires", None)
    if not isinstance(requires, frozenset | set | tuple | list):
        raise ConfigError(
            f"cost '{weighted.name}' has requires {requires!r}, wanted a frozenset of what it reads, e.g. "
            "frozenset({'latent:z'}), empty if that is actions alone"
        )


def check_context(context: Context, costs: Sequence[WeightedCost]) -> None:
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


def as_numbers(what: str, given: Array) -> NDArray[np.float32]:
    """What a caller gave, a list too, as float32.

    Raises:
        ShapeError: if it holds something else than real numbers.
    """
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise ShapeError(f"{what} is no array ({error})") from None
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"{what} holds {values.dtype}, wanted real numbers: float32")
    return values.astype(np.float32, copy=False)


def arrays(named: Any) -> Any:
    """The arrays as they are, lists as arrays; what is no mapping is refused by who reads it."""
    if not isinstance(named, Mapping):
        return named
    return {name: as_numbers(name, a) if isinstance(a, list | tuple) else a for name, a in named.items()}


def checked_action(given: Array | None, space: ActionSpace) -> Array | None:
    """The last action (A,), or None.

    Raises:
        ShapeError: if it is none of the model's, or holds numbers that are not finite.
    """
    if given is None or not isinstance(given, np.ndarray | Sequence):
        return given
    action = as_numbers("last_action", given) if not isinstance(given, np.ndarray) else given
    if action.shape != (space.size,):
        raise ShapeError(f"last_action has shape {action.shape}, wanted ({space.size},)")
    if not np.isfinite(action).all():
        raise ShapeError("last_action holds numbers that are not finite; pass None where none is known")
    return action
