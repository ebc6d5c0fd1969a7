"""Standard normal noise for candidates: drawn from a table, and mirrored."""

import math
from statistics import NormalDist

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.action_space import Actions

_BITS = 12
_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 2**_BITS) for i in range(2**_BITS)], np.float32)
_WORD = np.iinfo(np.uint64).max


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Actions:
    """Standard normal noise, each value one of 4096 equally likely quantiles.

    Six times as fast as `Generator.standard_normal`, which took two thirds of CEM's own time. The table is
    small enough for the CPU cache: the largest magnitude is 3.67 and the variance 0.9997.
    """
    count = math.prod(shape)
    words = rng.integers(_WORD, size=-(-count // 4), dtype=np.uint64, endpoint=True)
    return _QUANTILES.take(words.view(np.uint16)[:count] >> (16 - _BITS)).reshape(shape)


def mirrored(half: Array, count: int) -> Array:
    """Mirrored noise (count, M, A): zeros, then `half` (count // 2, M, A), then its negative.

    Source: mirrored sampling, Brockhoff et al. 2010, sec. 2.
    """
    xp = namespace(half)
    zeros = xp.zeros((1, *half.shape[1:]), dtype=half.dtype)
    return xp.concat([zeros, half, -half[: count - 1 - count // 2, ...]])
