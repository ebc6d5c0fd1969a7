"""MuJoCo scenes behind the interface of Gymnasium."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from wm_planner import share
from wm_planner.errors import ConfigError
from wm_planner.manipulation.simulation import gym_env

REACH = "wm_planner/PandaReach-v0"
SCENES = [name.removesuffix(".py").title().replace("_", "") for name in share.listing("sim", ".py")]


@pytest.mark.parametrize("scene", SCENES)
def test_every_shipped_scene_passes_gymnasiums_checks(scene):
    environment = gymnasium.make(f"wm_planner/{scene}-v0", render_mode="rgb_array")
    with warnings.catch_warnings():
        # actions are in m, and a position has no bounds
        warnings.filterwarnings("ignore", message=r".*(symmetric and normalized|is -?infinity)")
        check_env(environment.unwrapped)
    environment.close()


def test_an_action_displaces_the_tool_and_the_reward_is_the_negated_distance():
    environment = gymnasium.make(REACH)
    before, info = environment.reset(seed=3)
    assert {"front", "side", "goal_front", "goal_side", "tcp_position"} <= set(before)
    after, reward, terminated, truncated, info = environment.step(np.array([0.0, 0.0, 0.04]))
    moved = after["tcp_position"] - before["tcp_position"]
    np.testing.assert_allclose(moved, [0.0, 0.0, 0.04], atol=0.02)
    assert reward == -info["distance"] and not (terminated or truncated or info["is_success"])
    environment.close()


def test_the_goal_can_be_reached_and_its_picture_is_what_is_then_seen():
    environment = gymnasium.make(REACH)
    seen, info = environment.reset(seed=4)
    goal = environment.unwrapped.simulator.goal_position
    for _ in range(gym_env.STEPS):
        seen, _, _, _, info = environment.step(np.clip(goal - seen["tcp_position"], -0.05, 0.05))
    assert info["is_success"]
    difference = np.abs(seen["front"].astype(int) - seen["goal_front"])
    assert difference.mean() < 5
    environment.close()


def test_a_scene_must_be_given():
    with pytest.raises(ConfigError, match="SceneEnv: got no scene"):
        gymnasium.make("wm_planner/Scene-v0")
