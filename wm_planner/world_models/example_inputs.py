"""Inputs on which graphs are tried out: actions within their bounds, noise of the card's distributions."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec, NoiseSpec


def example_actions(
    spec: ActionSpec, leading: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Random actions (*leading, A) within the bounds; standard normal where a component has none."""
    shape = (*leading, len(spec.names))
    if spec.choices:
        return rng.integers(spec.choices, size=shape).astype(np.float32)
    low, high = np.asarray(spec.low), np.asarray(spec.high)
    bounded = np.isfinite(low) & np.isfinite(high)
    uniform = rng.uniform(np.where(bounded, low, 0.0), np.where(bounded, high, 1.0), shape)
    if bounded.all():
        return uniform.astype(np.float32)
    free = np.clip(rng.standard_normal(shape), low, high)
    return np.where(bounded, uniform, free).astype(np.float32)


def draw_noise(spec: NoiseSpec, leading: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise (*leading, ...) of the distribution that the card names."""
    shape = (*leading, *spec.shape)
    if spec.kind == "gumbel":
        return rng.gumbel(size=shape).astype(np.float32)
    drawn = rng.random if spec.kind == "uniform" else rng.standard_normal
    return drawn(shape, dtype=np.float32)
