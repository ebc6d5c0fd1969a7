"""Driving behind the interface of Gymnasium."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from wm_planner import share
from wm_planner.driving.simulation.gym_env import FAILURE_REWARD
from wm_planner.errors import ConfigError, SimulationError

MERGE = "wm_planner.driving.simulation.gym_env:wm_planner/DriveMerge-v0"
ANY = "wm_planner.driving.simulation.gym_env:wm_planner/Drive-v0"
SMALL = {"size_px": 64, "metres_per_px": 1.75}


def test_the_environment_passes_gymnasiums_checks():
    env = gymnasium.make(MERGE, picture=SMALL, render_mode="rgb_array")
    with warnings.catch_warnings():
        # actions are in m/s^2 and rad/s, and a position has no bounds
        warnings.filterwarnings("ignore", message=r".*(symmetric and normalized|is -?infinity)")
        check_env(env.unwrapped)


def test_all_shipped_scenarios_are_registered():
    gymnasium.make(MERGE, picture=None)
    names = [n for n in share.listing("sim", ".xml") if n.startswith("drive_")]
    ours = [name for name in gymnasium.registry if name.startswith("wm_planner/Drive")]
    assert len(ours) == len(names) + 1


def test_the_reward_is_progress_until_the_ego_leaves_the_road():
    env = gymnasium.make(ANY, scenario="sim/drive_merge.xml", picture=None)
    env.reset(seed=0)
    rewards, done = [], False
    while not done:
        observation, reward, done, truncated, info = env.step(np.array([0.0, 0.02]))
        rewards.append(reward)
        assert not truncated
    assert set(observation) == {"state"}
    assert info["off_road"]
    assert rewards[-1] == FAILURE_REWARD
    assert sum(rewards[:-1]) == pytest.approx(18.0 * 0.1 * (len(rewards) - 1), rel=0.05)


def test_an_episode_is_truncated_after_the_last_step_of_the_goal():
    env = gymnasium.make(ANY, scenario="sim/drive_slow_car.xml", picture=None)
    env.reset(seed=0)
    steps, truncated = 0, False
    while not truncated:
        *_, done, truncated, _ = env.step(np.array([-8.0 if steps < 17 else 0.0, 0.0]))
        steps += 1
        assert not done
    assert steps == 180
    with pytest.raises(SimulationError, match=r"has ended or not begun: call reset\(\)"):
        env.unwrapped.step(np.zeros(2))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "got no scenario, wanted scenario=PATH"),
        ({"scenario": "sim/drive_merge.xml", "steps": 0}, "steps is 0"),
    ],
)
def test_options_that_allow_no_episode_are_refused(options, reason):
    with pytest.raises(ConfigError, match=reason):
        gymnasium.make(ANY, **options)


def test_step_needs_a_reset_and_render_a_mode():
    env = gymnasium.make(ANY, scenario="sim/drive_merge.xml", picture=SMALL).unwrapped
    with pytest.raises(SimulationError, match="not begun"):
        env.step(np.zeros(2))
    env.reset()
    assert env.render() is None


def test_an_unknown_option_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean 'vehicle'"):
        gymnasium.make(ANY, scenario="sim/drive_merge.xml", vehicel="pacifica")
