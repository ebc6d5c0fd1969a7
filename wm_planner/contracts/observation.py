"""Sensor readings of a robot or a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Observation:
    """Sensor readings at one instant.

    Attributes:
        images: camera name to image, (H, W, 3) uint8, RGB.
        state: quantity name to vector, (k,), in the units of the card or scene.
        stamp_ns: time of the readings, in nanoseconds of the run's clock.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    stamp_ns: int = 0
