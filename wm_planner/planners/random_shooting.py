"""Random shooting: uniform candidates, the best one wins. The baseline of every other planner."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline
from wm_planner.planners.base import Plan, PlannerConfig
from wm_planner.planners.problem import Problem
from wm_planner.planners.search import Search


class RandomShooting:
    """One round of uniform candidates in the action box. Source: Nagabandi et al. 2018, sec. IV-D."""

    class Config(PlannerConfig, frozen=True, kw_only=True):
        """Horizon and samples are all there is."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def horizon(self) -> int:
        return self.config.horizon

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: NDArray[np.float32] | None = None,
        proposals: NDArray[np.float32] | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        config, space = self.config, problem.space
        search = Search(problem, config.horizon, warm_start, proposals, deadline)
        for _ in search.rounds(1):
            shares = rng.random((config.samples, config.horizon, space.size), dtype=np.float32)
            shots = space.clip(space.low + shares * (space.high - space.low))  # (N, H, A)
            search.evaluate(np.concatenate([search.start[None], search.proposals, shots]))
        deviation = space.half_range / np.sqrt(np.float32(3))  # of a uniform distribution
        return search.plan(spread=deviation[None])
