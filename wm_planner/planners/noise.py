"""Standard normal numbers for candidates, from a table."""

import numpy as np
from scipy.special import ndtri

from wm_planner.planners.action_space import Actions

_COUNT = 2**16
_QUANTILES = np.asarray(ndtri((np.arange(_COUNT) + 0.5) / _COUNT), np.float32)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Actions:
    """Standard normal numbers, each one of 65,536 equally likely quantiles.

    Five times as quick as `Generator.standard_normal`, which took two thirds of a CEM plan's own time. None is
    further out than 4.33; the variance is 1 - 1e-5, the kurtosis 2.999.
    """
    return _QUANTILES.take(rng.integers(_COUNT, size=shape, dtype=np.uint16))
