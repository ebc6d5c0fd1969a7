"""Sensor readings of a robot or a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


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
