"""Counts and medians with their uncertainty."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, bootstrap


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
    """The rate with its Wilson interval. Source: Wilson 1927, as in scipy."""
    if not trials:
        return Rate(0, 0, 0.0, 1.0)
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return Rate(successes, trials, float(interval.low), float(interval.high))


RESAMPLES = 10_000


class Mean(NamedTuple):
    """A mean with the 95 % interval of its bootstrap; NaN of fewer than two values."""

    value: float
    low: float
    high: float


def mean(values: Sequence[float]) -> Mean:
    """The mean with its percentile bootstrap interval, the same every time. Source: Efron 1979, in scipy."""
    known = np.asarray(values, np.float64)
    nothing = float("nan")
    if len(known) < 2:
        return Mean(float(known.mean()) if len(known) else nothing, nothing, nothing)
    drawn = np.random.default_rng(0)
    found = bootstrap((known,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=drawn)
    low, high = found.confidence_interval
    return Mean(float(known.mean()), float(low), float(high))
