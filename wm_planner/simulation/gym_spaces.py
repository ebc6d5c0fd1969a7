"""Gymnasium's action spaces as commands, and the numbers of an environment's info."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import ShapeError, SimulationError

MOST_CHOICES = 4096
"""Largest number of combinations of a MultiDiscrete action that becomes one discrete action."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Actions:
    """An action space.

    Attributes:
        spec: names, units and bounds of a command.
        decode: the environment's action for a command (A,) that is finite.
    """

    spec: ActionSpec
    decode: Callable[[Floats], Any]

    def check(self, command: Floats) -> Floats:
        """The command as float64, (A,).

        Raises:
            ShapeError: if it has another shape, or is not finite.
        """
        values = np.asarray(command, np.float64)
        if values.shape != (len(self.spec.names),) or not all(map(math.isfinite, values.tolist())):
            raise ShapeError(
                f"the command is {values.tolist()}, wanted {len(self.spec.names)} finite numbers: "
                f"{', '.join(self.spec.names)}"
            )
        return values


def actions_of(
    space: spaces.Space[Any],
    names: tuple[str, ...] = (),
    units: tuple[str, ...] = (),
    low: tuple[float, ...] = (),
    high: tuple[float, ...] = (),
) -> Actions:
    """The commands of an action space: Box, Discrete, MultiDiscrete or MultiBinary.

    A MultiDiscrete or MultiBinary action is one choice among all combinations, the last component fastest.

    Args:
        space: of the environment.
        names, units: of the components of a Box; () for a0, a1, ... without a unit.
        low, high: bounds that replace those of a Box; () for its own.

    Raises:
        SimulationError: for any other space, infinite bounds, or settings of another length.
    """
    if isinstance(space, spaces.Box) and space.dtype.kind in "fiu":
        return _continuous(space, names, units, low, high)
    if names or units or low or high:
        raise SimulationError(f"action space {space}: names, units, low and high are for a Box only")
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return _discrete(int(space.n), lambda choice: choice + first)
    if isinstance(space, spaces.MultiDiscrete):
        return _combined(space, space.nvec, space.start)
    if isinstance(space, spaces.MultiBinary):
        return _combined(space, np.full(space.shape, 2), np.zeros(space.shape, space.dtype))
    raise SimulationError(
        f"action space {space} is not supported, wanted Box, Discrete, MultiDiscrete or MultiBinary: wrap "
        "the environment so that it takes one of these"
    )


def _continuous(
    space: spaces.Box,
    names: tuple[str, ...],
    units: tuple[str, ...],
    low: tuple[float, ...],
    high: tuple[float, ...],
) -> Actions:
    size = math.prod(space.shape)
    names = names or tuple(f"a{i}" for i in range(size))
    units = units or ("",) * size
    low = low or tuple(map(float, space.low.reshape(-1)))
    high = high or tuple(map(float, space.high.reshape(-1)))
    for what, given in (("names", names), ("units", units), ("low", low), ("high", high)):
        if len(given) != size:
            raise SimulationError(f"action space {space} has {size} components, {what} has {len(given)}")
    endless = [n for n, *bounds in zip(names, low, high, strict=True) if not np.isfinite(bounds).all()]
    if endless:
        raise SimulationError(
            f"action space {space}: {', '.join(endless)} has no bounds, which planning needs: give `low` and "
            "`high` of the simulator"
        )
    spec = ActionSpec(names=names, units=units, low=low, high=high)
    lows, highs = np.array(low), np.array(high)

    def decode(command: Floats) -> NDArray[Any]:
        action: NDArray[Any] = np.minimum(np.maximum(command, lows), highs)
        return action.astype(space.dtype).reshape(space.shape)

    return Actions(spec, decode)


def _combined(space: spaces.Space[Any], sizes: NDArray[Any], start: NDArray[Any]) -> Actions:
    """One choice among the combinations of several choices, `sizes` of them from `start` on."""
    shape = sizes.reshape(-1).tolist()
    total = math.prod(shape)
    if total > MOST_CHOICES:
        raise SimulationError(
            f"action space {space} has {total} combinations, at most {MOST_CHOICES} are supported"
        )

    def decode(choice: int) -> NDArray[Any]:
        action: NDArray[Any] = np.array(np.unravel_index(choice, shape), start.dtype).reshape(start.shape)
        action += start
        return action

    return _discrete(total, decode)


def _discrete(choices: int, decode: Callable[[int], Any]) -> Actions:
    if choices < 2:
        raise SimulationError(f"the action space has {choices} choice, so there is nothing to plan")
    spec = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(choices - 1.0,), choices=choices)
    return Actions(spec, lambda command: decode(min(max(round(float(command[0])), 0), choices - 1)))


def scalars(info: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an environment's info."""
    return {name: float(value) for name, value in info.items() if isinstance(value, _NUMBERS)}


_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
