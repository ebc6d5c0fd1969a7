"""Plans with few parameters: knots along the horizon, and a curve through them."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config
from wm_planner.contracts.arrays import Array, match, namespace


class Knots(Config, frozen=True, kw_only=True):
    """Parametrisation of plans by knots.

    Attributes:
        count: M, number of knots, 1 to H.
        curve: `hold` keeps each knot for H / M steps (action repeat); `linear` and `cubic` interpolate
            between the knots, the first and last of which are the ends of the plan.
    """

    count: int
    curve: Literal["hold", "linear", "cubic"] = "cubic"


class Curve:
    """The linear map from knots to plans, and its least-squares inverse; without knots, the identity.

    It is a matrix (H, M), which exports to any compute graph. The cubic is the natural spline of MJPC (Howell
    et al. 2022); it can overshoot the action box, and callers clip it.

    Args:
        horizon: H.
        knots: None for the identity.
    """

    def __init__(self, horizon: int, knots: Knots | None) -> None:
        self._matrix = self._inverse = None
        if knots:
            self._matrix = curve_matrix(horizon, knots)
            self._inverse = _float(np.linalg.pinv(self._matrix))
        self.knots = knots.count if knots else horizon

    def actions(self, knots: Array) -> Array:
        """Plans (..., H, A) through knots (..., M, A)."""
        return knots if self._matrix is None else _product(self._matrix, knots)

    def fit(self, actions: Array) -> Array:
        """Knots (..., M, A) whose plans are closest to `actions` (..., H, A)."""
        return actions if self._inverse is None else _product(self._inverse, actions)

    def pull_back(self, gradients: Array) -> Array:
        """Gradients with respect to knots (..., M, A), from those with respect to plans (..., H, A)."""
        return gradients if self._matrix is None else _product(self._matrix.T, gradients)


def curve_matrix(horizon: int, knots: Knots) -> NDArray[np.float32]:
    """The matrix (H, M) from M knots to H steps; its rows sum to 1."""
    steps, count = np.arange(horizon), knots.count
    identity = np.eye(count)
    if knots.curve == "hold" or count == 1:
        return _float(identity[steps * count // horizon])
    times = np.linspace(0, horizon - 1, count)
    if knots.curve == "linear":
        return _float(np.stack([np.interp(steps, times, column) for column in identity], axis=1))
    from scipy.interpolate import CubicSpline  # takes 0.2 s and 27 MB, so only if needed

    return _float(CubicSpline(times, identity, bc_type="natural")(steps))


def _product(matrix: NDArray[np.float32], arrays: Array) -> Array:
    return namespace(arrays).matmul(match(matrix, arrays), arrays)


def _float(matrix: Any) -> NDArray[np.float32]:
    return np.asarray(matrix, np.float32)
