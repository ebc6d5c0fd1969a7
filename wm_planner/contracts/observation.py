"""What the sensors of a robot or a simulator report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Observation:
    """What the sensors say at one moment.

    Attributes:
        images: camera name to (H, W, 3) uint8, RGB.
        state: quantity name to (k,), in the units of the card or scene.
        stamp_ns: when, in nanoseconds of the run's clock.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    stamp_ns: int = 0
