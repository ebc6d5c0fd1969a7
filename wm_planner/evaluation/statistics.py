"""Counts and medians with their uncertainty."""

from typing import NamedTuple

from scipy.stats import binomtest


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
