"""Standard normal numbers for candidates: from a table, each beside its mirror image."""

import math

import numpy as np
from scipy.special import ndtri

from wm_planner.planners.action_space import Actions

_BITS = 12
_QUANTILES = np.asarray(ndtri((np.arange(2**_BITS) + 0.5) / 2**_BITS), np.float32)
_WORD = np.iinfo(np.uint64).max


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Actions:
    """Standard normal numbers, each one of 4096 equally likely quantiles.

    Six times as quick as `Generator.standard_normal`, which took two thirds of a CEM plan's own time. The
    table is small for the sake of the cache: none is further out than 3.67, the variance is 0.9997.
    """
    count = math.prod(shape)
    words = rng.integers(_WORD, size=-(-count // 4), dtype=np.uint64, endpoint=True)
    return _QUANTILES.take(words.view(np.uint16)[:count] >> (16 - _BITS)).reshape(shape)


def mirrored(rng: np.random.Generator, count: int, shape: tuple[int, ...]) -> Actions:
    """Noise (count, ...) of `shape`: nothing, then normal numbers, then the same with the other sign.

    Source: mirrored sampling, Brockhoff et al. 2010, sec. 2.
    """
    half = count // 2
    noise = np.empty((count, *shape), np.float32)
    noise[0] = 0
    noise[1 : 1 + half] = normal(rng, (half, *shape))
    np.negative(noise[1 : count - half], out=noise[1 + half :])
    return noise
