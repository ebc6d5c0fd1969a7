"""Angle wrapping."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wrap_to_pi(angle: ArrayLike) -> Any:
    """Angles in rad, of any shape, wrapped to [-pi, pi]."""
    return np.angle(np.exp(1j * np.asarray(angle)))


def wrap_difference(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle differences in rad, wrapped to [-pi, pi]; those within are returned unchanged."""
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
