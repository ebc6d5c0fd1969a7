"""Gymnasium's observation spaces as named signals with bounds, pictures, goals and texts."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from wm_planner.contracts.quantity import LARGEST_LABEL, Quantity
from wm_planner.errors import SimulationError, did_you_mean

PICTURE_SIDE = 16
"""Smallest height and width in pixels from which a uint8 array with 1 or 3 channels counts as a picture."""

GOAL_KEY = "desired_goal"
"""Key of the goal in the observations of Gymnasium's goal-conditioned environments."""

Signals = dict[str, NDArray[Any]]


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
        pictures, signals, goals, texts: its leaves; a text with labels is a signal too.
        quantities: what the signals and goals are, with the bounds of their spaces.
    """

    pictures: list[Leaf] = field(default_factory=list)
    signals: list[Leaf] = field(default_factory=list)
    goals: list[Leaf] = field(default_factory=list)
    texts: list[Leaf] = field(default_factory=list)
    quantities: dict[str, Quantity] = field(default_factory=dict)

    @classmethod
    def of(
        cls, space: spaces.Space[Any], texts: Mapping[str, tuple[str, ...]] | None = None
    ) -> "Observations":
        """The leaves of an observation space.

        Args:
            space: of the environment.
            texts: name of a text to all the texts that it can be, by which it becomes a label.

        Raises:
            SimulationError: naming a space that has no fixed size, or a text that does not exist.
        """
        found = cls()
        found._add(space, ())
        for name, labels in (texts or {}).items():
            leaf = next((each for each in found.texts if each.name == name), None)
            if leaf is None:
                hint = did_you_mean(name, [each.name for each in found.texts])
                raise SimulationError(f"texts: the environment observes no text '{name}', {hint}")
            found.signals.append(leaf)
            found.quantities[name] = Quantity(name=name, size=1, unit="", choices=len(labels), labels=labels)
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
            self.quantities[name] = quantity_of(name, space)
        else:
            raise SimulationError(
                f"observation space: '{name}' is {space}, which has no fixed size: wrap the environment so "
                "that it observes Box or Discrete spaces"
            )

    def images(self, observation: Any) -> dict[str, NDArray[np.uint8]]:
        """The pictures (H, W, 3) by name."""
        return {leaf.name: as_rgb(leaf.of(observation), leaf.name) for leaf in self.pictures}

    def states(self, observation: Any) -> Signals:
        """The signals (k,) by name; a text as the number of its label.

        Raises:
            SimulationError: for a text without a label, or a signal of another size than its space.
        """
        return {leaf.name: self._value(leaf, observation) for leaf in self.signals}

    def _value(self, leaf: Leaf, observation: Any) -> NDArray[Any]:
        value, quantity = leaf.of(observation), self.quantities[leaf.name]
        labels = quantity.labels
        if not labels:
            vector = _vector(value)
            if len(vector) != quantity.size:
                raise SimulationError(
                    f"{leaf.name} has {len(vector)} values, and {quantity.size} in the observation space"
                )
            return vector
        if str(value) not in labels:
            raise SimulationError(
                f"texts: '{leaf.name}' is '{value}', which is not listed, "
                f"{did_you_mean(str(value), labels)}: list every text that the environment shows"
            )
        return np.array([labels.index(str(value))])

    def told_goals(self, observation: Any) -> Signals:
        """The goal values (k,) by name."""
        return {leaf.name: _vector(leaf.of(observation)) for leaf in self.goals}

    def text(self, observation: Any) -> str:
        """All texts, one per line."""
        return "\n".join(str(leaf.of(observation)) for leaf in self.texts)


def not_finite(signals: Mapping[str, NDArray[Any]], reward: SupportsFloat) -> str:
    """What is no number in a step, e.g. "observation[0] is nan"; empty if everything is finite."""
    for name, values in signals.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            index = int(np.argmin(np.isfinite(values)))
            return f"{name}[{index}] is {values[index]}"
    return "" if math.isfinite(reward) else f"the reward is {float(reward)}"


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


def quantity_of(name: str, space: spaces.Space[Any]) -> Quantity:
    """The quantity of a space: whole numbers from 0 are labels, others have the bounds of the space."""
    size = max(math.prod(space.shape or ()), 1)
    low, high = (np.broadcast_to(np.ravel(each), (size,)) for each in _limits(space))
    most = float(high[0])
    if not isinstance(space, spaces.Box) and not low.any() and (high == most).all() and most < LARGEST_LABEL:
        return Quantity(name=name, size=size, unit="", choices=int(most) + 1)
    is_bounded = low < high
    return Quantity(
        name=name,
        size=size,
        unit="",
        low=_bounds(np.where(is_bounded, low, -np.inf)),
        high=_bounds(np.where(is_bounded, high, np.inf)),
    )


def _limits(space: spaces.Space[Any]) -> tuple[ArrayLike, ArrayLike]:
    """Smallest and largest value of each component."""
    if isinstance(space, spaces.Box):
        return space.low.astype(np.float64), space.high.astype(np.float64)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start.astype(np.float64), space.start + space.nvec - 1.0
    if isinstance(space, spaces.Discrete):
        return float(space.start), float(space.start + space.n - 1)
    return 0.0, 1.0


def _bounds(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    """Bounds as in `Quantity`: those of single precision in seven digits, one if all are the same."""
    if not np.isfinite(values).any():
        return ()
    each = [float(f"{value:.7g}") if math.isfinite(value) else None for value in values.tolist()]
    return (each[0],) if len(set(each)) == 1 else tuple(each)
