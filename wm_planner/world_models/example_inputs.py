"""Inputs on which graphs are tried out: actions within their bounds, noise of the card's distributions."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec, NoiseSpec
from wm_planner.contracts.quantity import Quantity


def example_actions(
    spec: ActionSpec, leading: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Random actions (*leading, A) within the bounds; standard normal where a component has none."""
    shape = (*leading, len(spec.names))
    if spec.choices:
        return rng.integers(spec.choices, size=shape).astype(np.float32)
    return _within(np.asarray(spec.low), np.asarray(spec.high), shape, rng).astype(np.float32)


def example_state(quantity: Quantity, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random value (size,) of a quantity, as for actions."""
    if quantity.choices:
        return rng.integers(quantity.choices, size=quantity.size).astype(np.float64)
    return _within(*quantity.bounds, (quantity.size,), rng)


def _within(
    low: NDArray[np.float64], high: NDArray[np.float64], shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform between bounds; standard normal, clipped to the other bound, where one is infinite."""
    bounded = np.isfinite(low) & np.isfinite(high)
    uniform = rng.uniform(np.where(bounded, low, 0.0), np.where(bounded, high, 1.0), shape)
    if bounded.all():
        return uniform
    free = np.clip(rng.standard_normal(shape), low, high)
    return np.asarray(np.where(bounded, uniform, free))


def draw_noise(spec: NoiseSpec, leading: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise (*leading, ...) of the distribution that the card names."""
    shape = (*leading, *spec.shape)
    if spec.kind == "gumbel":
        return rng.gumbel(size=shape).astype(np.float32)
    drawn = rng.random if spec.kind == "uniform" else rng.standard_normal
    return drawn(shape, dtype=np.float32)
