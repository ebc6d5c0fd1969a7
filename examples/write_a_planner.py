"""A planner of your own: sample around the best plan so far, and narrow down round by round.

In a launch file it would be `{type: examples/write_a_planner.py:Shrinking, horizon: 20, rounds: 20}`.

    python examples/write_a_planner.py
"""

import numpy as np

import wm_planner as wm
from wm_planner.bench.problems.linear_problem import linear_problem, riccati
from wm_planner.planners.sampling import Run, SamplingConfig, SamplingPlanner
from wm_planner.planners.search import Search


class Shrinking(SamplingPlanner):
    """Gaussian candidates around the best plan so far, each round with a smaller deviation."""

    class Config(SamplingConfig, frozen=True, kw_only=True):
        rounds: int = 20
        std: float = 0.2  # of the first round, as a share of half the action range

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = config

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        best, std = search.start, search.deviation(self.config.std)  # (H, A): the warm start, or zeros
        yield from search.evaluate(np.concatenate([best[None], search.proposals]))
        for _ in search.rounds(self.config.rounds):  # stops early when the deadline comes
            noise = search.normal(rng, self.samples)  # (N, H, A)
            candidates = search.space.clip(best + std * noise)
            table = yield from search.evaluate(candidates)
            best, std = candidates[np.argmin(search.objective(table))], 0.9 * std
        return search.plan(spread=std)  # the best plan that was ever evaluated


def main() -> None:
    problem, _ = linear_problem()  # a mass in the plane, whose best plan is known from Riccati's recursion
    specs = [
        {"type": "random_shooting", "horizon": 20, "samples": 1200},
        {"type": "cem", "horizon": 20, "samples": 200, "elites": 20, "iterations": 6},
        {"type": f"{__file__}:Shrinking", "horizon": 20, "samples": 60, "rounds": 20},
    ]
    for spec in specs:
        planner = wm.PLANNERS.build(spec, where="planner")
        plan = planner.plan(problem, rng=np.random.default_rng(0))
        print(f"{spec['type'].split(':')[-1]:16s} {plan.evaluations:5d} evaluations, cost {plan.cost:6.2f}")
    print(f"{'the optimum':16s} {riccati()[0]:31.2f}")


if __name__ == "__main__":
    main()
