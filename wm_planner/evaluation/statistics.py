"""Rates, means and medians with confidence intervals."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

_Z = NormalDist().inv_cdf(0.975)


class Rate(NamedTuple):
    """A success rate with its 95 % Wilson interval."""

    successes: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Successes over trials, NaN without trials."""
        return self.successes / self.trials if self.trials else float("nan")

    def __str__(self) -> str:
        return f"{self.successes}/{self.trials} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def rate(successes: int, trials: int) -> Rate:
    """The rate with its Wilson interval. Source: Wilson 1927."""
    if not trials:
        return Rate(0, 0, 0.0, 1.0)
    share, z = successes / trials, _Z**2 / trials
    centre = share + z / 2
    half_width = math.sqrt(z * share * (1 - share) + z**2 / 4)
    low, high = ((centre + sign * half_width) / (1 + z) for sign in (-1, 1))
    return Rate(successes, trials, low if successes else 0.0, high if successes < trials else 1.0)


RESAMPLES = 10_000


class Mean(NamedTuple):
    """A mean or median with its 95 % bootstrap interval, which is NaN for fewer than two values."""

    value: float
    low: float
    high: float


def mean(values: Sequence[float]) -> Mean:
    """The mean with its percentile bootstrap interval, with a fixed seed. Source: Efron 1979, in scipy."""
    return _bootstrap(values, np.mean)


def median(values: Sequence[float]) -> Mean:
    """The median with its interval, as `mean`."""
    return _bootstrap(values, np.median)


def _bootstrap(values: Sequence[float], statistic: Callable[..., Any]) -> Mean:
    sample = np.asarray(values, np.float64)
    if len(sample) < 2:
        return Mean(float(statistic(sample)) if len(sample) else math.nan, math.nan, math.nan)
    from scipy.stats import bootstrap  # takes 0.4 s to import, and rates do not need it

    rng = np.random.default_rng(0)
    result = bootstrap((sample,), statistic, n_resamples=RESAMPLES, method="percentile", rng=rng)
    low, high = result.confidence_interval
    return Mean(float(statistic(sample)), float(low), float(high))
