"""The benchmark of planners."""

import time

import numpy as np
import pytest
from typer.testing import CliRunner

from wm_planner.bench.measurements import planners as b
from wm_planner.bench.problems.linear_problem import (
    HORIZON,
    DoubleIntegrator,
    linear_problem,
    riccati,
)
from wm_planner.cli.bench import app
from wm_planner.contracts.rollout import Rollout
from wm_planner.planners import PLANNERS


def test_no_plan_is_better_than_riccatis():
    optimum, actions = riccati()
    problem, _ = linear_problem()
    assert np.abs(actions).max() < problem.space.high[0]
    assert problem.evaluate(actions[None].astype(np.float32)).total[0] == pytest.approx(optimum, rel=1e-6)
    rng = np.random.default_rng(0)
    others = actions + 0.01 * rng.standard_normal((500, HORIZON, 2))
    assert problem.evaluate(others.astype(np.float32)).total.min() > optimum


def test_the_double_integrator_follows_its_exact_solution():
    model = DoubleIntegrator()
    plan = np.tile(np.array([0.0, -2.0], np.float32), (1, 10, 1))
    end = model.rollout({"state": np.array([[1.0, 5.0, 3.0, 0.0]])}, plan).states["state"][0, -1]
    np.testing.assert_allclose(end, [1 + 3, 5 - 1, 3, -2])  # after one second


@pytest.mark.parametrize("row", b.linear_rows(seeds=3), ids=lambda row: row.name)
def test_ten_thousand_rollouts_come_within_two_percent_of_the_optimum(row):
    assert 9_900 <= row.rollouts <= 10_100
    assert min(row.cost) >= 1 and max(row.cost) <= 1.02
    assert list(row.curve) == sorted(row.curve, reverse=True)
    assert row.curve[0] > 1.1  # 500 are not enough: the problem is not trivial


def test_the_curve_is_the_best_cost_of_the_evaluated_candidates():
    problem, cost = linear_problem()
    planner = PLANNERS.build({**b.LINEAR["CEM"], "iterations": 3}, "test")
    plan = planner.plan(problem, rng=np.random.default_rng(0))
    assert [count for count, _ in cost.curve] == [500, 1000, 1500, 1501]
    assert cost.curve[-1][1] == plan.cost
    rollout = Rollout({}, {"state": np.zeros((1, 1, 4))})
    assert cost(rollout, np.full((1, 1, 2), 2.0, np.float32), problem.context) == pytest.approx(0.4)


def test_tree_search_finds_optimal_actions():
    rows = b.tree_rows(processes=25)
    assert [row.optimal for row in rows if "exact" in row.name] == [25, 25]
    assert all(row.optimal >= 18 for row in rows)


class CpuClock:
    """The CPU time of this process, in which a deadline can be kept however busy the machine is."""

    def now_ns(self):
        return time.process_time_ns()


def test_a_deadline_is_kept_while_another_process_burns_a_core():
    rows = b.deadline_rows(rounds=2, plans=10, deadline_s=0.05, clock=CpuClock())
    assert [row.plans for row in rows] == [10] * 2
    assert all(row.iterations > 1 and row.worst_s < 0.05 for row in rows)


def test_the_command_prints_every_table():
    result = CliRunner().invoke(
        app, ["planners", "--seeds", "1", "--processes", "2", "--plans", "2", "--deadline-rounds", "0"]
    )
    assert result.exit_code == 0, result.output
    for word in ("Riccati", "iCEM", "gumbel, 400", "bicycle"):
        assert word in result.output
