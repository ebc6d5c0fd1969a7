"""Validation of planner inputs: costs, contexts, arrays, deadlines and random generators."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.errors import ConfigError, ShapeError, did_you_mean
from wm_planner.planners.action_space import ActionSpace


def check_costs(card: Card, costs: Sequence[WeightedCost]) -> None:
    """Check that the card or the context provides everything that the costs require.

    Raises:
        ConfigError: naming the cost and the alternatives.
    """
    if not costs:
        raise ConfigError("costs is empty, wanted at least one cost")
    context = {f"context:{field.name}" for field in dataclasses.fields(Context)}
    offers = card.offers | context
    for weighted in costs:
        _check_cost(weighted)
        for need in sorted(weighted.cost.requires):
            if need not in offers and need.partition(".")[0] not in context:
                raise ConfigError(
                    f"cost '{weighted.name}' requires '{need}', which {card.name} does not offer, "
                    f"{did_you_mean(need, offers)}"
                )


def _check_cost(weighted: WeightedCost) -> None:
    if not isinstance(weighted, WeightedCost):
        raise ConfigError(
            f"got {weighted!r} as a cost, wanted a WeightedCost: wm.build_costs makes them from mappings"
        )
    requires = getattr(weighted.cost, "requires", None)
    if not isinstance(requires, frozenset | set | tuple | list):
        raise ConfigError(
            f"`requires` of cost '{weighted.name}' is {requires!r}, wanted a frozenset of what it reads, "
            "e.g. frozenset({'latent:z'}), or an empty one if it reads the actions only"
        )


def check_context(context: Context, costs: Sequence[WeightedCost]) -> None:
    """Check that `context` holds what the costs read, e.g. "context:goal_latent".

    Raises:
        ConfigError: naming the cost and what is missing.
    """
    for weighted in costs:
        for need in sorted(weighted.cost.requires):
            kind, _, path = need.partition(":")
            if kind != "context":
                continue
            held: Any = context
            within = "context"
            for part in path.split("."):
                if (found := _part(held, part)) is None:
                    raise ConfigError(
                        f"cost '{weighted.name}' requires '{need}', and the {within} of this tick holds "
                        f"{', '.join(_parts(held)) or 'nothing'}: set '{part}' before planning"
                    )
                held, within = found, part


def _part(held: Any, name: str) -> Any:
    """The entry of a mapping or the attribute of an object; None if there is no such part."""
    return held.get(name) if isinstance(held, Mapping) else getattr(held, name, None)


def _parts(held: Any) -> list[str]:
    """The names of the parts that are set."""
    names = held if isinstance(held, Mapping) else (n for n in dir(held) if not n.startswith("_"))
    return [name for name in names if _is_set(_part(held, name))]


def _is_set(part: Any) -> bool:
    is_empty = isinstance(part, Mapping) and not part
    return part is not None and not is_empty and not callable(part)


def as_float32(what: str, given: Array) -> NDArray[np.float32]:
    """An array or a list as float32.

    Raises:
        ShapeError: if it is ragged, or does not hold real numbers.
    """
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise ShapeError(f"{what} is not an array ({error})") from None
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"{what} holds {values.dtype}, wanted real numbers: float32")
    return values.astype(np.float32, copy=False)


def as_arrays(named: Any) -> Any:
    """Named arrays with lists converted to arrays; anything but a mapping is returned as it is."""
    if not isinstance(named, Mapping):
        return named
    return {name: as_float32(name, a) if isinstance(a, list | tuple) else a for name, a in named.items()}


def checked_action(given: Array | None, space: ActionSpace) -> Array | None:
    """The last action (A,), or None.

    Raises:
        ShapeError: if it has another shape than the model's actions, or is not finite.
    """
    if given is None or not isinstance(given, np.ndarray | Sequence):
        return given
    action = as_float32("last_action", given) if not isinstance(given, np.ndarray) else given
    if action.shape != (space.size,):
        raise ShapeError(f"last_action has shape {action.shape}, wanted ({space.size},)")
    if not np.isfinite(action).all():
        raise ShapeError("last_action has non-finite values; pass None if it is not known")
    return action


def check_search(card: Card, horizon: int, deadline: Deadline | None) -> None:
    """Check the horizon and the deadline of one planner call.

    Raises:
        ConfigError: for a horizon that is longer than the model's memory, or a deadline of another type.
    """
    if card.max_horizon and horizon > card.max_horizon:
        raise ConfigError(
            f"the planner's horizon is {horizon}, {card.name} remembers {card.max_horizon} steps (card: "
            "max_horizon): lower the horizon, or train with a longer memory"
        )
    if not isinstance(deadline, Deadline | None):
        raise ConfigError(
            f"deadline is {deadline!r}, wanted a Deadline: Deadline.after(WallClock(), seconds), or None"
        )


def check_rngs(rngs: Sequence[np.random.Generator]) -> None:
    """Check that every entry is a random generator.

    Raises:
        ConfigError: saying what to pass.
    """
    for rng in rngs:
        if not isinstance(rng, np.random.Generator):
            raise ConfigError(f"rng is {rng!r}, wanted a generator: numpy.random.default_rng(seed)")


def check_bounds(action: ActionSpec, planner: str, model: str) -> None:
    """Check that every component of an action has bounds, between which a planner samples.

    Args:
        action: of the model.
        planner, model: names, for the error.

    Raises:
        ConfigError: naming the components without bounds.
    """
    if action.unbounded:
        raise ConfigError(
            f"{planner} searches between bounds, and {', '.join(action.unbounded)} of {model} has none "
            "(card: action): write finite ones, or use `planner: {type: policy}`"
        )


def check_action_kind(discrete: bool | None, choices: int, planner: str, model: str) -> None:
    """Check that a planner of discrete actions has a model with discrete actions, and vice versa.

    Args:
        discrete: whether the planner plans discrete actions; None if it plans both kinds.
        choices: of the model's actions, 0 if they are continuous.
        planner, model: names, for the error.

    Raises:
        ConfigError: naming planners that fit.
    """
    if discrete and not choices:
        raise ConfigError(
            f"{planner} plans discrete actions, those of {model} are continuous: use icem, cem or mppi, or "
            "write `choices: n` into the action of the card"
        )
    if choices and discrete is False:
        raise ConfigError(
            f"{planner} plans continuous actions, those of {model} are {choices} discrete choices: use "
            "categorical_cem, or mcts if the model predicts rewards"
        )
