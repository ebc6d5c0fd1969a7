import numpy as np
import pytest
from point_mass import PointMass

from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners.goals import Goal, GoalSequence
from wm_planner.planners.icem import ICEM
from wm_planner.planners.mpc import RecedingHorizon

COSTS = [{"type": "action_rate", "weight": 0.01}, {"type": "latent_goal"}]


def sequence(goals, model=None, mpc=None, **config):
    planner = ICEM(ICEM.Config(horizon=4, min_std=0.02))
    costs = build_costs(COSTS, "costs")
    horizon = RecedingHorizon(
        RecedingHorizon.Config(**(mpc or {})), planner, model or PointMass(), costs, seed=0
    )
    return GoalSequence(GoalSequence.Config(**{"term": "latent_goal", **config}), horizon, goals)


def at(x, y, steps=None):
    return Goal(latent={"z": np.asarray([[x, y]], np.float32)}, steps=steps)


def drive(goals, ticks=30, stuck=False):
    """The index of the goal at every tick, and the final position of the point mass."""
    z, last, pursued = np.zeros((1, 2), np.float32), None, []
    for tick in range(ticks):
        decision = goals.tick({"z": z}, Context(last_action=last), tick)
        pursued.append(goals.index)
        last = decision.action_at(tick)
        z = z if stuck else z + last
        if goals.stopped:
            break
    return pursued, z[0]


def test_goals_switch_by_time():
    goals = sequence([at(1, 0, steps=4), at(1, 1, steps=10), at(0, 1, steps=4)])
    pursued, _ = drive(goals)
    assert pursued == [0] * 4 + [1] * 10 + [2] * 5
    assert goals.stopped == "the time for the last goal is up"


def test_goals_switch_when_reached_and_the_last_one_stops():
    pursued, end = drive(sequence([at(2, 0), at(2, 2), at(-1, 2)], reached=0.01))
    assert sorted(set(pursued)) == [0, 1, 2] and len(pursued) < 20
    np.testing.assert_allclose(end, [-1, 2], atol=0.15)


def test_a_goal_that_is_already_reached_is_skipped_at_once():
    goals = sequence([at(0, 0), at(0, 0), at(3, 3)], reached=0.01)
    goals.tick({"z": np.zeros((1, 2), np.float32)}, Context(), 0)
    assert goals.index == 2


def test_a_new_goal_is_planned_for_at_once_from_the_current_plan():
    model = PointMass()
    goals = sequence([at(2, 0, steps=1), at(2, 2)], model, mpc={"replan_every": 3}, reached=0.0)
    first = goals.tick({"z": np.zeros((1, 2), np.float32)}, Context(), 0)
    second = goals.tick({"z": np.zeros((1, 2), np.float32)}, Context(), 1)
    assert second is not first  # although fewer than three ticks have passed
    assert goals.tick({"z": np.zeros((1, 2), np.float32)}, Context(), 2) is second
    assert len(model.seen) == 2 * 4  # three iterations and the mean, twice


def test_it_stops_without_progress_and_gives_the_reason():
    goals = sequence([at(5, 5)], patience=6)
    pursued, _ = drive(goals, stuck=True)
    assert len(pursued) == 7
    assert goals.stopped == "no progress for 6 ticks, latent_goal is 50"


def test_it_stops_after_max_ticks():
    goals = sequence([at(90, 90)], max_ticks=5)
    pursued, _ = drive(goals)
    assert len(pursued) == 6 and goals.stopped == "the limit of 5 ticks is reached"


def test_a_reset_starts_with_the_first_goal():
    goals = sequence([at(1, 0, steps=2), at(0, 0, steps=2)])
    drive(goals)
    goals.reset(episode_id=1)
    assert (goals.index, goals.stopped) == (0, None)
    assert drive(goals)[0] == [0, 0, 1, 1, 1]


def test_goals_that_could_never_end_are_refused():
    with pytest.raises(ConfigError, match=r"2 goals, of which \[0\] have no `steps`"):
        sequence([at(0, 0), at(1, 1)])
    with pytest.raises(ConfigError, match="0 goals"):
        sequence([])
    with pytest.raises(ConfigError, match="no cost is named 'latent_gaol', did you mean 'latent_goal'"):
        sequence([at(0, 0)], term="latent_gaol")
