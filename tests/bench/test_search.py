"""Comparison of iCEM with plain CEM on recorded problems, and the log of episodes."""

import dataclasses

import numpy as np
import pytest
from point_mass import CostOf

from wm_planner.bench.measurements import search as b
from wm_planner.bench.problems.cost_curve import CostCurve
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Rollout
from wm_planner.errors import ConfigError
from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult
from wm_planner.evaluation.closed_loop.success import Bundle

SCENE, COSTS = "sim/panda_reach_wall.py", [{"type": "latent_goal", "mean_weight": 2.0}]
SMALL = Bundle(
    "models/bundles/panda_reach_small", {"type": "icem", "horizon": 3, "samples": 16, "elites": 4}, COSTS
)


def test_the_cost_curve_is_a_weighted_sum_that_records_the_best_cost():
    first, second = (CostOf(lambda a, k=k: a[:, 0, 0] + k) for k in (0.0, 1.0))
    curve = CostCurve([WeightedCost("first", first), WeightedCost("second", second, weight=2.0)])
    for values in ([5.0, 3.0], [4.0], [1.0, 2.0, 9.0]):
        actions = np.array(values).reshape(-1, 1, 1)
        np.testing.assert_array_equal(curve(Rollout({}), actions, Context()), 3 * np.array(values) + 2)
    assert curve.curve == [(2, 11.0), (3, 11.0), (6, 5.0)]
    assert [curve.evaluations_to(cost) for cost in (12.0, 11.0, 10.0, 4.0)] == [2, 2, 6, np.inf]
    assert [curve.best_after(count) for count in (1, 2, 5, 6)] == [np.inf, 11.0, 11.0, 5.0]


def test_recorded_problems_are_solved_by_both_planners():
    problems = b.record_problems(SCENE, SMALL, seeds=[4000, 4001], steps=10)
    assert len(problems) == 2 * b.PROBLEMS_PER_EPISODE
    first, *_, later = problems
    assert first.warm_start is None and first.context.goal_latent is not None
    assert (
        problems[b.PROBLEMS_PER_EPISODE].warm_start is not None
    )  # those of the second episode start at the second tick
    assert later.warm_start.shape == (3, 3) and later.proposals.shape[1:] == (3, 3)
    plain = dataclasses.replace(SMALL, planner={"type": "cem", "horizon": 3, "samples": 64, "iterations": 6})
    rows = b.compare(problems[4:6], SMALL, plain, workers=1)
    assert [row.evaluations for row in rows] == [6 * 64 + 1] * 2
    for row in rows:
        assert set(row.final) == set(row.needed) == {"previous plan", "zeros"}
        for name, final in row.final.items():
            assert (row.cost <= final) == np.isfinite(row.needed[name])
    assert b.comparison_table(rows).row_count == 2


def test_an_interrupted_run_resumes_with_the_missing_episodes(tmp_path):
    runs = []

    def run(seeds):
        runs.append(list(seeds))
        return [EpisodeResult(seed, np.array([0.3, seed / 10]), np.array([0.5])) for seed in seeds]

    path = tmp_path / "log.jsonl"
    EpisodeLog(path).run("cem", [1, 2, 3], 2, run)
    results = EpisodeLog(path).run("cem", [1, 2, 3, 4], 2, run)
    assert runs == [[1, 2], [3], [4]]
    assert [result.end for result in results] == [0.1, 0.2, 0.3, 0.4]
    EpisodeLog(path).run("icem", [1], 2, run)  # the log has none of another policy
    assert runs[-1] == [1]


def test_an_invalid_line_of_the_log_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text(
        '{"policy": "cem", "seed": 1, "distances": [], "plan_cpu_s": []}\n{"po'
    )
    with pytest.raises(ConfigError, match=r"log.jsonl, line 2: .*wanted an episode: name another file"):
        EpisodeLog(tmp_path / "log.jsonl")
