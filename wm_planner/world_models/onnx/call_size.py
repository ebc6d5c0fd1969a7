"""The number of candidates per model call with the least CPU time per candidate, by measurement.

Larger calls have less overhead per candidate, until their arrays no longer fit in the processor's caches.
Times are CPU times of one thread on this machine.
"""

import itertools
import math
import time
from collections.abc import Mapping

import numpy as np

from wm_planner.contracts.card import Card
from wm_planner.contracts.rollout import Latent
from wm_planner.world_models.example_inputs import example_actions
from wm_planner.world_models.onnx.model import OnnxWorldModel

SIZES = (16, 32, 48, 64, 96, 128, 256, 512)
LATENT_BYTES = 2**31
"""Memory limit for the latents of one call."""

HORIZON = 2
ROUNDS, FAST_ROUNDS, FAST_S = 5, 50, 0.5
"""Rollouts per size: `ROUNDS`, and up to `FAST_ROUNDS` while the total CPU time is below `FAST_S`."""

BUDGET_S = 4.0
"""CPU time limit of a measurement; if the first call takes longer, it is the only one."""

NEARLY_BEST = 1.02
"""The largest size within this factor of the least time is chosen, because plans then need fewer calls."""


def most_candidates(card: Card) -> int:
    """The size of the largest call: candidates whose latents fit in `LATENT_BYTES`, at most `SIZES[-1]`."""
    per_candidate = (spec for spec in card.latents if spec.role != "shared")
    nbytes = sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in per_candidate)
    return max(1, min(SIZES[-1], LATENT_BYTES // nbytes))


def call_times_us(model: OnnxWorldModel) -> dict[int, float]:
    """CPU time in us per candidate and step, by the size of the call; the minimum of several rollouts.

    Sizes that do not fit in `BUDGET_S` are omitted.
    """
    card, rng = model.card, np.random.default_rng(0)
    start: Latent = {
        spec.name: rng.standard_normal((1, *spec.shape)).astype(spec.dtype)
        for spec in card.latents
        if spec.role != "cache"
    }
    most, horizon = most_candidates(card), min(HORIZON, card.max_horizon or HORIZON)
    actions = example_actions(card.action, (most, horizon), rng)
    sizes = [*(size for size in SIZES if size < most), most]
    least_us: dict[int, float] = {}
    spent_s = 0.0
    for done, size in itertools.product(range(FAST_ROUNDS), sizes):
        expected_s = 1e-6 * size * horizon * min(least_us.values(), default=0.0)
        if spent_s + expected_s > (BUDGET_S if done < ROUNDS else FAST_S):
            break
        before = time.process_time()
        model.rollout(start, actions[:size])
        took_s = time.process_time() - before
        spent_s += took_s
        least_us[size] = min(1e6 * took_s / (size * horizon), least_us.get(size, math.inf))
    return least_us


def best_size(times_us: Mapping[int, float]) -> int:
    """The largest size whose CPU time per candidate is at most `NEARLY_BEST` times the least."""
    return max(size for size, took_us in times_us.items() if took_us <= NEARLY_BEST * min(times_us.values()))
