"""Plans of few parameters: knots along the horizon, and the curve through them."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config
from wm_planner.contracts.arrays import Array, match, namespace


class Knots(Config, frozen=True, kw_only=True):
    """How few points make a plan.

    Attributes:
        count: M, knots along the horizon, 1 to H.
        curve: `hold` keeps each knot for H / M steps (the action repeat of other planners), `linear` and
            `cubic` go through the knots, of which the first and the last are the plan's ends.
    """

    count: int
    curve: Literal["hold", "linear", "cubic"] = "cubic"


class Curve:
    """The linear map from knots to plans, and back in least squares; without knots it is the identity.

    A matrix (H, M), so that a plan's parameters are an ordinary node of any compute graph. The cubic is the
    natural spline of MJPC (Howell et al. 2022); it can overshoot the box, and is moved back by the caller.
    """

    def __init__(self, horizon: int, knots: Knots | None) -> None:
        self._matrix = self._inverse = None
        if knots:
            self._matrix = curve_matrix(horizon, knots)
            self._inverse = _float(np.linalg.pinv(self._matrix))
        self.knots = knots.count if knots else horizon

    def actions(self, knots: Array) -> Array:
        """Plans (..., H, A) of knots (..., M, A)."""
        return knots if self._matrix is None else _product(self._matrix, knots)

    def fit(self, actions: Array) -> Array:
        """The knots (..., M, A) whose plans are nearest to plans (..., H, A)."""
        return actions if self._inverse is None else _product(self._inverse, actions)

    def pull_back(self, slopes: Array) -> Array:
        """The slopes (..., M, A) of knots, where those of their plans are (..., H, A)."""
        return slopes if self._matrix is None else _product(self._matrix.T, slopes)


def curve_matrix(horizon: int, knots: Knots) -> NDArray[np.float32]:
    """The map (H, M) from M knots to H steps; each row sums to 1."""
    steps, count = np.arange(horizon), knots.count
    identity = np.eye(count)
    if knots.curve == "hold" or count == 1:
        return _float(identity[steps * count // horizon])
    times = np.linspace(0, horizon - 1, count)
    if knots.curve == "linear":
        return _float(np.stack([np.interp(steps, times, column) for column in identity], axis=1))
    from scipy.interpolate import CubicSpline  # 0.2 s and 27 MB, which plans without knots can spare

    return _float(CubicSpline(times, identity, bc_type="natural")(steps))


def _product(matrix: NDArray[np.float32], arrays: Array) -> Array:
    return namespace(arrays).matmul(match(matrix, arrays), arrays)


def _float(matrix: Any) -> NDArray[np.float32]:
    return np.asarray(matrix, np.float32)
