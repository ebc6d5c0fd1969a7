"""A named vector of numbers with its unit, bounds and labels, and the check of its values."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config, Count, Positive
from wm_planner.errors import SpecError

LARGEST_LABEL = 2**24
"""Number of whole numbers from 0 that float32, in which states are passed to graphs, holds exactly."""

TOLERANCE = 1e-5
"""By which a value may lie outside of its bounds, over their width: single precision rounds."""


class Quantity(Config, frozen=True, kw_only=True, omit_defaults=True):
    """A named vector that is measured or told, e.g. `tcp_position`: 3 components in m.

    An audio window is the vector of its samples, those of one instant next to each other. A text is a label
    (`labels`), or tokens: `choices` is then the size of the vocabulary, and `unit` names the tokeniser.

    Attributes:
        size: number of components.
        unit: of all components, or one per group of components, e.g. "m, rad".
        low, high: bounds, one for all components or one per component; None for no bound. A value
            outside of them is refused.
        choices: n for labels, whole numbers 0 .. n - 1; 0 for measurements.
        labels: what the n labels stand for, in order; empty if they have no names.
    """

    name: str
    size: Positive
    unit: str
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    choices: Count = 0
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for side, given in (("low", self.low), ("high", self.high)):
            if len(given) not in (0, 1, self.size):
                raise SpecError(f"{side} of '{self.name}' has {len(given)} values, wanted 1 or {self.size}")
            if any(bound is not None and not math.isfinite(bound) for bound in given):
                raise SpecError(f"{side} of '{self.name}' is {given}, wanted finite numbers or null")
        if self.labels and len(self.labels) != self.choices:
            raise SpecError(f"'{self.name}' has {len(self.labels)} labels, wanted {self.choices} (choices)")
        if self.choices > LARGEST_LABEL or (self.choices and (self.low or self.high)):
            raise SpecError(
                f"choices of '{self.name}' is {self.choices}, wanted at most {LARGEST_LABEL}, without low "
                "and high"
            )
        low, high = self.bounds
        if not (low < high).all() and not self.choices:
            raise SpecError(
                f"'{self.name}' lies between {self.low} and {self.high}, wanted every low below its high"
            )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high of every component, (size,) each; infinite where it has no bound."""
        if self.choices:
            return np.zeros(self.size), np.full(self.size, self.choices - 1.0)
        return _bounds(self.low, self.size, -math.inf), _bounds(self.high, self.size, math.inf)


def problem_in(quantity: Quantity, values: NDArray[Any]) -> str:
    """What is wrong with the value of a quantity, e.g. "tcp_position[2] is nan m, wanted a finite value".

    Args:
        quantity: of the card or the data.
        values: one value, (size,).

    Returns:
        Empty if nothing is wrong.
    """
    name, size, unit = quantity.name, quantity.size, quantity.unit
    if values.dtype.kind not in "fiub":
        wanted = "the number of its label" if quantity.choices else f"{size} numbers"
        return f"{name} is {values.tolist()!r}, wanted {wanted}: models read numbers, so a text is a label"
    if values.shape != (size,):
        return f"{name} has shape {values.shape}, wanted ({size},)" + (f" in {unit}" if unit else "")
    low, high = quantity.bounds
    slack = TOLERANCE * width(low, high)
    good = np.isfinite(values) & (values >= low - slack) & (values <= high + slack)
    if quantity.choices:
        good &= values == np.round(values)
    if good.all():
        return ""
    at = int(np.argmin(good))
    got = f"{name}[{at}]" if size > 1 else name
    got += f" is {values[at]:g}" + (f" {unit}" if unit and "," not in unit else "")
    if not np.isfinite(values[at]):
        return f"{got}, wanted a finite value"
    if quantity.choices:
        return f"{got}, wanted one of the {quantity.choices} labels from 0"
    return f"{got}, outside of its bounds {low[at]:g} to {high[at]:g}"


def width(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """The width of bounds, in the unit of each; 1 where one of them is infinite."""
    return np.where(np.isfinite(high - low), high - low, 1.0)


def _bounds(given: tuple[float | None, ...], size: int, none: float) -> NDArray[np.float64]:
    return np.broadcast_to([none if bound is None else bound for bound in given or (None,)], (size,))
