"""Standard normal numbers for candidates: from a table, each beside its mirror image."""

import math
from statistics import NormalDist

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.planners.action_space import Actions

_BITS = 12
_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 2**_BITS) for i in range(2**_BITS)], np.float32)
_WORD = np.iinfo(np.uint64).max


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Actions:
    """Standard normal numbers, each one of 4096 equally likely quantiles.

    Six times as quick as `Generator.standard_normal`, which took two thirds of a CEM plan's own time. The
    table is small for the sake of the cache: none is further out than 3.67, the variance is 0.9997.
    """
    count = math.prod(shape)
    words = rng.integers(_WORD, size=-(-count // 4), dtype=np.uint64, endpoint=True)
    return _QUANTILES.take(words.view(np.uint16)[:count] >> (16 - _BITS)).reshape(shape)


def mirrored(half: Array, count: int) -> Array:
    """Noise (count, M, A): nothing, then `half` of it, (count // 2, M, A), then the same with the other sign.

    Source: mirrored sampling, Brockhoff et al. 2010, sec. 2.
    """
    xp = namespace(half)
    nothing = xp.zeros((1, *half.shape[1:]), dtype=half.dtype)
    return xp.concat([nothing, half, -half[: count - 1 - count // 2, ...]])
