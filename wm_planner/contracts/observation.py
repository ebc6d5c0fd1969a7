"""Sensor readings of a robot or a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Quantity

TOLERANCE = 1e-5
"""By which a value may lie outside of its bounds, over their width: single precision rounds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Sensor readings at one instant.

    Attributes:
        images: camera name to image: RGB (H, W, 3) uint8, grey (H, W, 1) uint8, or depth (H, W, 1) float32
            in m, 0 where nothing was measured.
        state: quantity name to vector, (k,), in the units of the card or scene.
        stamp_ns: time of the readings, in nanoseconds of the run's clock.
    """

    images: Mapping[str, NDArray[Any]]
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    stamp_ns: int = 0


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
    slack = TOLERANCE * np.where(np.isfinite(high - low), high - low, 1.0)
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
