"""Quartic and quintic polynomials between states of motion, vectorized.

Source: Werling et al. 2010, sec. III.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def quintic(start: ArrayLike, end: ArrayLike, duration: ArrayLike) -> Floats:
    """Coefficients (..., 6), lowest order first, of a quintic polynomial.

    Args:
        start: value, first and second derivative at 0, (..., 3).
        end: the same at `duration`, (..., 3).
        duration: (...), above 0, in the unit of the independent variable.
    """
    begin, goal, t = (np.asarray(each, np.float64) for each in (start, end, duration))
    x, v, a = np.moveaxis(begin, -1, 0)
    y, w, b = np.moveaxis(goal, -1, 0)
    remainder = y - x - v * t - a * t * t / 2
    slope, bend = (w - v - a * t) * t, (b - a) * t * t
    c3 = (10 * remainder - 4 * slope + bend / 2) / t**3
    c4 = (-15 * remainder + 7 * slope - bend) / t**4
    c5 = (6 * remainder - 3 * slope + bend / 2) / t**5
    return np.stack(np.broadcast_arrays(x, v, a / 2, c3, c4, c5), axis=-1)


def quartic(start: ArrayLike, end: ArrayLike, duration: ArrayLike) -> Floats:
    """Coefficients (..., 6) of a quartic polynomial, for a free final value.

    Args:
        start: value, first and second derivative at 0, (..., 3).
        end: first and second derivative at `duration`, (..., 2).
        duration: (...), above 0, in the unit of the independent variable.
    """
    begin, goal, t = (np.asarray(each, np.float64) for each in (start, end, duration))
    x, v, a = np.moveaxis(begin, -1, 0)
    w, b = np.moveaxis(goal, -1, 0)
    slope, bend = w - v - a * t, b - a
    c3 = (slope - bend * t / 3) / t**2
    c4 = (bend * t / 2 - slope) / (2 * t**3)
    return np.stack(np.broadcast_arrays(x, v, a / 2, c3, c4, np.zeros_like(x + c4)), axis=-1)


def evaluate(
    coefficients: Floats, times: NDArray[np.floating[Any]], duration: ArrayLike, derivative: int = 0
) -> Floats:
    """Values (..., T) of polynomials (..., 6), or of a derivative, at times (..., T).

    Beyond its duration (...) a polynomial continues linearly, with its final first derivative.
    """
    until = np.asarray(duration, np.float64)[..., None]
    at = np.minimum(times, until)
    inside = _horner(_differentiated(coefficients, derivative), at)
    if derivative > 1:
        return np.where(times <= until, inside, 0.0)
    if derivative == 1:
        return inside
    return np.asarray(inside + _horner(_differentiated(coefficients, 1), at) * (times - at))


def _differentiated(coefficients: Floats, derivative: int) -> Floats:
    for _ in range(derivative):
        coefficients = coefficients[..., 1:] * np.arange(1, coefficients.shape[-1])
    return coefficients


def _horner(coefficients: Floats, at: NDArray[np.floating[Any]]) -> Floats:
    value = np.zeros(np.broadcast_shapes((*coefficients.shape[:-1], 1), at.shape))
    for order in range(coefficients.shape[-1] - 1, -1, -1):
        value = value * at + coefficients[..., order, None]
    return value
