"""Data sets of Gymnasium environments."""

import grid_env
import gymnasium
import numpy as np
import pytest

from wm_planner.collection import CollectConfig, collect
from wm_planner.collection.base import explorer_of
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import SimulationError

assert grid_env.SIDE  # registers tests/Grid-v0


def test_an_environment_without_pictures_is_recorded_with_rewards_and_ends(tmp_path):
    scene = "gym,id=Pendulum-v1,options={max_episode_steps: 6}"
    collect(CollectConfig(scene=scene, episodes=3, steps=20, jobs=1), tmp_path / "data")
    data = EpisodeData.open(tmp_path / "data")
    assert data.images.shape[1:] == (0, 0, 0, 3)
    assert [quantity.name for quantity in data.meta.state] == ["observation"]
    assert np.bincount(data.episode).tolist() == [7, 7, 7]
    reward, truncated = data.read("reward", slice(0, 7)), data.read("truncated", slice(0, 7))
    assert (reward[:6] < 0).all() and reward[6] == 0.0
    assert truncated.tolist() == [False] * 5 + [True, False]
    first = gymnasium.make("Pendulum-v1").reset(seed=1_000_000)[0]
    np.testing.assert_array_equal(data.state[0], first)


@pytest.mark.filterwarnings("ignore")
def test_an_environment_with_pictures_and_choices_is_recorded(tmp_path):
    scene = "gym,id=grid_env:tests/Grid-v0"
    collect(CollectConfig(scene=scene, episodes=2, steps=4, jobs=1), tmp_path / "data")
    data = EpisodeData.open(tmp_path / "data")
    assert data.meta.action_choices == 9 and data.meta.cameras == ("view",)
    assert data.images.shape[1:] == (1, 20, 20, 3) and data.images.max() == 255
    assert set(np.unique(data.action)) <= set(range(9))


@pytest.mark.parametrize(
    ("broken", "error", "words"),
    [
        (
            lambda seen: {**seen, "view": seen["view"][::2]},
            SimulationError,
            r"camera 'view' is \(10, 20, 3\), the simulator declares \(20, 20, 3\)",
        ),
        (
            lambda seen: {**seen, "body": {"cell": np.zeros(3), "holds": 1}},
            SimulationError,
            r"step \d of the episode with seed \d+: body_cell has 3 values, and 2 in the observation space",
        ),
        (
            lambda seen: tuple(seen.values()),
            SimulationError,
            r"step \d of the episode with seed \d+: TypeError: tuple indices must be",
        ),
        (
            lambda seen: 1 / 0,
            SimulationError,
            r"Grid-v0: step \d of the episode with seed \d+: ZeroDivisionError: .*test_gym.py, line",
        ),
        (
            lambda seen: {**seen, "body": {"cell": np.full(2, np.nan), "holds": 1}},
            SimulationError,
            r"body_cell\[0\] is nan after step \d of .*Grid-v0, in the episode with seed 1000000",
        ),
    ],
    ids=["picture of another size", "other size", "other structure", "exception", "not finite"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_breaks_in_the_course_of_an_episode_is_refused(tmp_path, monkeypatch, broken, error, words):
    numbers, observe = iter(range(100)), grid_env.Grid._get_obs

    def observation(self):
        return broken(observe(self)) if next(numbers) > 4 else observe(self)

    monkeypatch.setattr(grid_env.Grid, "_get_obs", observation)
    explorer_of.cache_clear()
    scene = "gym,id=grid_env:tests/Grid-v0"
    with pytest.raises(error, match=words):
        collect(CollectConfig(scene=scene, episodes=2, steps=8, jobs=1), tmp_path / "data")
    assert not (tmp_path / "data").exists()
