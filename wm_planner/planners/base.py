"""The contract of a planner: a problem bound for one tick goes in, a plan comes out.

Axes: N candidates, H steps, A action components.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.config import Config
from wm_planner.planners.problem import Problem


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of one planner call.

    Attributes:
        actions: the best candidate, (H, A), card's units.
        cost: of these actions, by the problem's costs; NaN if they were never evaluated, infinite if no
            candidate had a finite cost.
        terms: the cost's terms, unweighted.
        violation: by how much the limited terms are above their limits, summed; 0 if all are kept.
        spread: standard deviation of the last sampling distribution, mean over H, per component, (A,).
        elites: further good candidates, best first, (K, H, A), for the next tick's proposals.
        iterations: rounds of sampling that were completed.
        evaluations: candidates evaluated, over all iterations.
        not_finite: how many of them had a cost that is not finite.
        elapsed_s: duration of the search, measured by whoever holds the clock; NaN if nobody did.
        deadline_hit: whether the deadline cut the search.
    """

    actions: NDArray[np.float32]
    cost: float
    terms: Mapping[str, float] = field(default_factory=dict)
    violation: float = 0.0
    spread: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    elites: NDArray[np.float32] | None = None
    iterations: int = 0
    evaluations: int = 0
    not_finite: int = 0
    elapsed_s: float = float("nan")
    deadline_hit: bool = False


class Planner(Protocol):
    """Searches the action sequence of least cost. Same inputs and `rng` state, same plan, byte for byte."""

    @property
    def horizon(self) -> int: ...

    @property
    def discrete(self) -> bool:
        """Whether it plans one of n choices a step; the others plan continuous actions."""
        ...

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: NDArray[np.float32] | None = None,
        proposals: NDArray[np.float32] | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """Plan one tick; never worse than the warm start, whose cost is the first to be known.

        Args:
            problem: what to minimise.
            rng: the only source of randomness.
            warm_start: a plan to start from, (H, A); None starts from zeros.
            proposals: further candidates to evaluate as they are, (M, H, A), or None.
            deadline: when to return the best so far; past at once, it returns the start unevaluated.

        Raises:
            ConfigError: if the planner is for another kind of actions.
            ShapeError: for a warm start or proposals of another shape, or not finite.
        """
        ...


LONGEST = 1000
"""Steps that a plan may have: what is kept for every pair of them still fits into memory."""


class PlannerConfig(Config, frozen=True, kw_only=True):
    """What every planner is told.

    Attributes:
        horizon: H, steps imagined ahead, `LONGEST` at most.
    """

    horizon: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.horizon <= LONGEST:
            raise ValueError(f"horizon is {self.horizon}, wanted 1 to {LONGEST}")
