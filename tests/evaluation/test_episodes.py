import numpy as np
import pytest

from wm_planner.errors import SimulationError
from wm_planner.evaluation.closed_loop import success
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episodes, within
from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask
from wm_planner.evaluation.closed_loop.policies import TimedAction
from wm_planner.evaluation.statistics import rate
from wm_planner.simulation.scene import Disturbance

REACH = "sim/panda_reach.py"


def test_wilson_intervals_agree_with_published_values():
    assert str(rate(100, 100)) == "100/100 [96.3, 100.0]"
    assert str(rate(97, 100)) == "97/100 [91.5, 99.0]"
    assert str(rate(0, 60)) == "0/60 [0.0, 6.0]"


def test_rate_of_no_trials_is_unbounded():
    assert rate(0, 0).low == 0.0
    assert rate(0, 0).high == 1.0
    assert np.isnan(rate(0, 0).share)


def test_success_is_evaluated_at_the_final_distance():
    passing = EpisodeResult(0, np.array([0.3, 0.01, 0.2]), np.zeros(2))
    stopping = EpisodeResult(1, np.array([0.3, 0.2, 0.01]), np.zeros(2))
    assert within([passing, stopping], 0.05).successes == 1


def test_results_do_not_depend_on_the_number_of_workers():
    serial = run_episodes(REACH, success.random_actions, range(4), steps=3, workers=1)
    parallel = run_episodes(REACH, success.random_actions, range(4), steps=3, workers=2)
    assert [result.seed for result in parallel] == [0, 1, 2, 3]
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one.distances, other.distances)


class Upwards:
    """Asks for 1 m up in every tick, and takes down what was carried out."""

    def __init__(self):
        self.told = []

    def reset(self, simulator, goal_id):
        pass

    def act(self, simulator, observation, tick, last_action=None):
        self.told.append((observation.state["tcp_position"].copy(), last_action))
        return TimedAction(np.array([0.0, 0.0, 1.0 if tick else 0.01]))


def test_a_policy_is_told_what_was_carried_out_not_what_it_asked_for():
    policy = Upwards()
    run_episodes(REACH, lambda simulator: policy, [0], steps=6, workers=1)
    (_, first), (_, free), *clipped = policy.told
    assert first is None
    np.testing.assert_array_equal(free, np.array([0.0, 0.0, 0.01], np.float32))
    assert all(abs(action[2]) < 0.5 for _, action in clipped)


def test_near_starts_are_the_requested_number_of_steps_from_the_goal():
    results = run_episodes(REACH, success.random_actions, range(6), steps=1, workers=1, near=2)
    starts = np.array([result.distances[0] for result in results])
    assert (starts >= 0.045).all()  # 5 cm, and a tolerance for placing the arm
    assert (starts <= 2 * np.sqrt(3) * 0.05 + 0.005).all()


def test_success_row_counts_the_goals_that_the_policy_reached():
    row = success.success_row("straight", REACH, success.straight_line, range(4), steps=20, workers=1)
    assert row.near[0] == row.nearer[0] == row.episodes == 4
    assert row.median_m < 0.01


@pytest.mark.slow
def test_planning_over_true_physics_reaches_over_the_wall():
    task = PhysicsTask.load("panda_reach_wall")
    row = success.success_row("physics", task.scene, task, range(3), task.steps)
    assert row.near[0] == 3


def test_episodes_run_in_pybullet_by_its_name():
    pytest.importorskip("pybullet", reason="the simulator needs PyBullet: pip install 'wm-planner[bullet]'")
    row = success.success_row("straight", "bullet", success.straight_line, range(3), steps=15, workers=1)
    assert row.near[0] == row.nearer[0] == 3
    with pytest.raises(SimulationError, match="bullet: cannot be disturbed"):
        run_episodes("bullet", success.straight_line, [0], 1, Disturbance(light_scale=0.5), workers=1)
