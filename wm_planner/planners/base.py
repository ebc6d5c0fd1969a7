"""The contract of a planner: it takes the problem of one tick and returns a plan.

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
    """The result of one planner call.

    Attributes:
        actions: the best candidate, (H, A), card's units.
        cost: total cost of `actions`; NaN if they were never evaluated, infinite if no candidate had a finite
            cost.
        terms: the cost terms of `actions` by name, unweighted.
        violation: sum of the amounts by which constrained terms exceed their limits; 0 if feasible.
        spread: standard deviation of the last sampling distribution per component, averaged over H, (A,).
        elites: further good candidates, best first, (K, H, A), as proposals for the next tick.
        iterations: completed iterations of the search.
        evaluations: candidates evaluated in all iterations.
        not_finite: how many of those had a cost that is not finite.
        elapsed_s: duration of the search, filled in by the caller, which has the clock; NaN before.
        deadline_hit: whether the deadline stopped the search.
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
    """Searches for the action sequence of least cost.

    Deterministic: the same inputs and `rng` state give the same plan, byte for byte.
    """

    @property
    def horizon(self) -> int:
        """H, the number of steps in a plan."""
        ...

    @property
    def discrete(self) -> bool | None:
        """Whether it plans discrete actions; otherwise it plans continuous ones. None if it plans both."""
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
        """Plan one tick. The plan never costs more than the warm start, which is evaluated first.

        Args:
            problem: what to minimise.
            rng: the only source of randomness.
            warm_start: a plan to start from, (H, A); None starts from zeros.
            proposals: further candidates, evaluated unchanged, (M, H, A), or None.
            deadline: when to return the best plan so far; if it has already passed, the warm start is
                returned without being evaluated.

        Raises:
            ConfigError: if the planner is discrete and the problem's actions are continuous, or vice versa.
            ShapeError: for a warm start or proposals of the wrong shape or with non-finite values.
        """
        ...


MAX_HORIZON = 1000
"""Longest plan, in steps; bounds the (H, H) matrices that planners build."""


class PlannerConfig(Config, frozen=True, kw_only=True):
    """The options of every planner.

    Attributes:
        horizon: H, number of steps planned ahead, at most `MAX_HORIZON`.
    """

    horizon: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.horizon <= MAX_HORIZON:
            raise ValueError(f"horizon is {self.horizon}, wanted 1 to {MAX_HORIZON}")
