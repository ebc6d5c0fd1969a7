"""Angles between -pi and pi."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def wrap_to_pi(angle: ArrayLike) -> Any:
    """The same angles [rad] from -pi to pi, of any shape."""
    return np.angle(np.exp(1j * np.asarray(angle)))
