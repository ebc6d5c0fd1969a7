"""Counts and medians with their uncertainty."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

_Z = NormalDist().inv_cdf(0.975)


class Rate(NamedTuple):
    """A success rate: how many of how many, with the 95 % Wilson interval."""

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
    share, spread = successes / trials, _Z**2 / trials
    middle = share + spread / 2
    reach = math.sqrt(spread * share * (1 - share) + spread**2 / 4)
    low, high = ((middle + side * reach) / (1 + spread) for side in (-1, 1))
    return Rate(successes, trials, low if successes else 0.0, high if successes < trials else 1.0)


RESAMPLES = 10_000


class Mean(NamedTuple):
    """A mean or median with the 95 % interval of its bootstrap; NaN of fewer than two values."""

    value: float
    low: float
    high: float


def mean(values: Sequence[float]) -> Mean:
    """The mean with its percentile bootstrap interval, the same every time. Source: Efron 1979, in scipy."""
    return _bootstrapped(values, np.mean)


def median(values: Sequence[float]) -> Mean:
    """The median, as `mean`."""
    return _bootstrapped(values, np.median)


def _bootstrapped(values: Sequence[float], statistic: Callable[..., Any]) -> Mean:
    known = np.asarray(values, np.float64)
    nothing = float("nan")
    if len(known) < 2:
        return Mean(float(statistic(known)) if len(known) else nothing, nothing, nothing)
    from scipy.stats import bootstrap  # 0.4 s, spared where only rates are printed

    drawn = np.random.default_rng(0)
    found = bootstrap((known,), statistic, n_resamples=RESAMPLES, method="percentile", rng=drawn)
    low, high = found.confidence_interval
    return Mean(float(statistic(known)), float(low), float(high))
