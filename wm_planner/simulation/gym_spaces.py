"""Gymnasium's spaces as commands, named signals and pictures."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import ShapeError, SimulationError

MOST_CHOICES = 4096
"""Largest number of combinations of a MultiDiscrete action that becomes one discrete action."""

PICTURE_SIDE = 16
"""Smallest height and width in pixels from which a uint8 array with 1 or 3 channels counts as a picture."""

GOAL_KEY = "desired_goal"
"""Key of the goal in the observations of Gymnasium's goal-conditioned environments."""

Floats = NDArray[np.float64]
Signals = dict[str, NDArray[Any]]


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


@dataclass(frozen=True, slots=True)
class Leaf:
    """One array of an observation.

    Attributes:
        name: as a camera or signal.
        path: its keys in nested Dict and Tuple spaces.
    """

    name: str
    path: tuple[Any, ...]

    def of(self, observation: Any) -> Any:
        for key in self.path:
            observation = observation[key]
        return observation


@dataclass(frozen=True)
class Observations:
    """An observation space, split into pictures, signals, goal values and text.

    Attributes:
        pictures, signals, goals, texts: its leaves.
        sizes: number of components of each signal.
    """

    pictures: list[Leaf] = field(default_factory=list)
    signals: list[Leaf] = field(default_factory=list)
    goals: list[Leaf] = field(default_factory=list)
    texts: list[Leaf] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> "Observations":
        """The leaves of an observation space.

        Raises:
            SimulationError: naming a space that has no fixed size.
        """
        found = cls()
        found._add(space, ())
        return found

    def _add(self, space: spaces.Space[Any], path: tuple[Any, ...]) -> None:
        name = re.sub(r"\W", "_", "_".join(map(str, path))) or "observation"
        leaf = Leaf(name, path)
        if isinstance(space, spaces.Dict):
            for key, part in space.spaces.items():
                self._add(part, (*path, key))
        elif isinstance(space, spaces.Tuple):
            for index, part in enumerate(space.spaces):
                self._add(part, (*path, index))
        elif isinstance(space, spaces.Text) or np.dtype(space.dtype).kind == "U":
            self.texts.append(leaf)
        elif isinstance(space, spaces.Box) and _is_picture(space):
            self.pictures.append(leaf)
        elif isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
            (self.goals if path[-1:] == (GOAL_KEY,) else self.signals).append(leaf)
            self.sizes[name] = max(math.prod(space.shape or ()), 1)
        else:
            raise SimulationError(
                f"observation space: '{name}' is {space}, which has no fixed size: wrap the environment so "
                "that it observes Box or Discrete spaces"
            )

    def images(self, observation: Any) -> dict[str, NDArray[np.uint8]]:
        """The pictures (H, W, 3) by name."""
        return {leaf.name: as_rgb(leaf.of(observation), leaf.name) for leaf in self.pictures}

    def states(self, observation: Any) -> Signals:
        """The signals (k,) by name."""
        return {leaf.name: _vector(leaf.of(observation)) for leaf in self.signals}

    def told_goals(self, observation: Any) -> Signals:
        """The goal values (k,) by name."""
        return {leaf.name: _vector(leaf.of(observation)) for leaf in self.goals}

    def text(self, observation: Any) -> str:
        """All texts, one per line."""
        return "\n".join(str(leaf.of(observation)) for leaf in self.texts)


def as_rgb(picture: Any, name: str) -> NDArray[np.uint8]:
    """A picture as (H, W, 3) uint8; grey ones are repeated, an alpha channel is dropped.

    Raises:
        SimulationError: for anything else.
    """
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3, 4):
        raise SimulationError(
            f"camera '{name}' gives {pixels.dtype} {pixels.shape}, wanted uint8 (H, W, 3), (H, W, 1) or "
            "(H, W)"
        )
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return pixels[..., :3]  # a view: the copy that a message needs is the only one


def _is_picture(space: spaces.Box) -> bool:
    shape = space.shape
    flat = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return space.dtype == np.uint8 and flat and min(shape[:2]) >= PICTURE_SIDE


def _vector(value: Any) -> NDArray[Any]:
    return np.array(value).reshape(-1)


def scalars(info: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an environment's info."""
    return {name: float(value) for name, value in info.items() if isinstance(value, _NUMBERS)}


_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
