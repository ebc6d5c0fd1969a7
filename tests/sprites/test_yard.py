"""SpriteYard: physics, pictures, simulator, Gymnasium environment, exploration."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from wm_planner.bridges.simulators import adapter_of
from wm_planner.collection.base import explorer_of
from wm_planner.contracts.dataset import COLLECTION_SEEDS
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.sprites.bridges.simulator_adapter import SpriteAdapter
from wm_planner.sprites.simulation import gym_env, yard
from wm_planner.sprites.simulation.exploration import towards
from wm_planner.sprites.simulation.simulator import SpriteSimulator
from wm_planner.sprites.simulation.yard import Yards, largest_action

LEVELS = ("point", "glide")


def yards(level, position, goal=(0.5, 0.5)):
    return Yards(level, np.array([position]), np.zeros((1, 2)), np.array([goal]))


def simulator(level="point", **settings):
    return SpriteSimulator(SpriteSimulator.Config(level=level, **settings))


def test_a_point_moves_by_its_action_and_is_at_rest_afterwards():
    moved = yards("point", (0.5, 0.5))
    np.testing.assert_allclose(moved.step(np.array([[0.05, -0.03]])), -np.hypot(0.05, 0.03))
    np.testing.assert_allclose(moved.position, [[0.55, 0.47]])
    moved.step(np.array([[9.0, 0.0]]))  # beyond its bound
    np.testing.assert_allclose(moved.position, [[0.63, 0.47]])
    assert not moved.velocity.any()


def test_a_glider_slides_on_after_its_action():
    moved = yards("glide", (0.3, 0.3))
    moved.step(np.array([[2.0, 0.0]]))
    np.testing.assert_allclose(moved.velocity, [[0.2, 0.0]])
    np.testing.assert_allclose(moved.position, [[0.32, 0.3]])
    moved.step(np.zeros((1, 2)))
    np.testing.assert_allclose(moved.position, [[0.32 + 0.018, 0.3]])


@pytest.mark.parametrize("level", LEVELS)
def test_walls_stop_a_disc(level):
    moved = yards(level, (0.1, 0.5))
    for _ in range(5):
        moved.step(np.full((1, 2), [-largest_action(level), 0.0]))
    assert moved.position[0, 0] == yard.DISC_M and moved.velocity[0, 0] == 0.0


def test_starts_are_away_from_goals_and_random():
    sampled = Yards.sample("point", np.random.default_rng(0), 500)
    assert sampled.distances.min() >= yard.START_M
    assert sampled.position.std(axis=0).min() > 0.2


def test_many_yards_are_drawn_and_moved_like_each_alone():
    rng = np.random.default_rng(1)
    together = Yards.sample("glide", rng, 20)
    alone = [
        Yards("glide", *(a[i : i + 1].copy() for a in (together.position, together.velocity, together.goal)))
        for i in range(20)
    ]
    for _ in range(4):
        actions = rng.uniform(-2, 2, (20, 2))
        together.step(actions)
        for i, each in enumerate(alone):
            each.step(actions[i : i + 1])
    pictures = together.pictures(32)
    for picture, each in zip(pictures, alone, strict=True):
        np.testing.assert_array_equal(picture, each.pictures(32)[0])


def test_a_picture_shows_disc_and_ring_where_they_are():
    picture = yards("point", (0.25, 0.75), (0.75, 0.25)).pictures(64)[0].astype(int)
    orange = np.argwhere((picture[..., 0] > 200) & (picture[..., 2] < 80))
    np.testing.assert_allclose(orange.mean(axis=0), [47.5, 15.5], atol=0.5)  # row, column
    green = np.argwhere((picture[..., 1] > 150) & (picture[..., 0] < 100))
    np.testing.assert_allclose(green.mean(axis=0), [15.5, 47.5], atol=0.5)
    assert picture[16, 48].tolist() == [30, 30, 40]  # the ring is empty inside


def test_disc_and_ring_are_whole_at_the_border():
    corner = yards("point", (yard.DISC_M,) * 2, (1 - yard.DISC_M,) * 2).pictures(32)[0].astype(int)
    middle = yards("point", (0.5, 0.5), (1 - yard.DISC_M,) * 2).pictures(32)[0].astype(int)
    assert abs((corner[..., 0] > 128).sum() - (middle[..., 0] > 128).sum()) <= 4


def test_velocity_is_invisible_in_a_picture():
    made = simulator("glide")
    made.reset(3)
    still = made.observe().images["above"]
    made.yards.velocity[:] = 0.9
    np.testing.assert_array_equal(made.observe().images["above"], still)


@pytest.mark.parametrize("level", LEVELS)
def test_the_task_can_be_solved_within_an_episode(level):
    made = simulator(level)
    for seed in range(20):
        made.reset(seed)
        result = None
        while result is None or not result.is_over:
            result = made.step(towards(made.yards.goal, made.yards, level)[0])
        assert result.success and result.distance <= yard.REACHED_M and result.truncated
        assert result.reward == pytest.approx(-result.distance)


def test_the_goal_is_the_picture_of_the_disc_in_the_ring():
    made = simulator()
    made.reset(5)
    made.yards.position = made.yards.goal.copy()
    assert made.goal.kind == "picture" and not made.goal.state
    np.testing.assert_array_equal(made.goal.images["above"], made.observe().images["above"])
    assert made.reached and made.distance == 0.0


def test_a_restored_state_continues_as_before():
    made = simulator("glide")
    made.reset(2)
    made.step(np.array([1.0, -1.0]))
    saved = made.save()
    rest = [made.step(np.array([0.5, 0.5])) for _ in range(3)]
    made.reset(9)
    made.load(saved)
    again = [made.step(np.array([0.5, 0.5])) for _ in range(3)]
    assert [each.reward for each in again] == [each.reward for each in rest]
    np.testing.assert_array_equal(again[-1].observation.images["above"], rest[-1].observation.images["above"])


def test_time_moves_the_yard_in_whole_steps():
    made, twin = simulator("glide"), simulator("glide")
    made.command(np.array([1.0, 1.0]))
    assert made.advance(0.05) is None
    rewards = [twin.step(np.array([1.0, 1.0])).reward for _ in range(2)]
    assert made.advance(0.15).reward == sum(rewards)


def test_a_wrong_command_or_level_is_refused():
    with pytest.raises(ShapeError, match="wanted 2 finite numbers"):
        simulator().step(np.array([np.nan, 0.0]))
    with pytest.raises(ConfigError, match="did you mean 'glide'"):
        adapter_of({"type": "sprites", "level": "glyde"}, "here")


def test_a_yard_is_hosted_by_its_name():
    adapter = adapter_of({"type": "sprites", "level": "glide"}, "here")
    assert isinstance(adapter, SpriteAdapter)
    expected = {"/clock", "/camera/above/image_raw", "/signal/position", "/signal/velocity"}
    assert set(adapter.sensors(adapter.simulator.observe(), 3)) == set(adapter.topics) == expected


@pytest.mark.filterwarnings("ignore:.*recommend using a symmetric and normalized space")  # ours has units
@pytest.mark.parametrize("level", ["Point", "Glide"])
def test_gymnasium_approves_of_its_environment(level):
    environment = gymnasium.make(f"wm_planner/SpriteYard-{level}-v0", render_mode="rgb_array")
    check_env(environment.unwrapped)
    seen, info = environment.reset(seed=1)
    np.testing.assert_array_equal(environment.render(), seen)
    assert info["position"].shape == (2,) and not info["is_success"]
    results = [environment.step(environment.action_space.sample()) for _ in range(yard.STEPS)]
    assert [result[3] for result in results] == [False] * (yard.STEPS - 1) + [True]
    assert gym_env.SpriteYardEnv.metadata["render_fps"] == 10


@pytest.mark.parametrize("level", LEVELS)
def test_exploration_records_what_the_simulator_would_show(level):
    explorer = explorer_of(f"sprites,level={level}")
    for seed in (COLLECTION_SEEDS, COLLECTION_SEEDS + 1):
        episode = explorer.episode(seed, 12)
        made = simulator(level)
        observation = made.reset(seed)
        for step in range(12):
            np.testing.assert_array_equal(episode.images[step, 0], observation.images["above"])
            np.testing.assert_array_equal(
                episode.state[step], np.concatenate([*observation.state.values()]).astype(np.float32)
            )
            result = made.step(episode.action[step].astype(np.float64))
            observation = result.observation
            assert episode.signals["reward"][step] == pytest.approx(result.reward, abs=1e-6)


def test_half_of_the_exploration_comes_to_rest_in_the_ring():
    explorer = explorer_of("sprites,level=glide")
    ends = [explorer.episode(COLLECTION_SEEDS + seed, 10).signals["reward"][-2] for seed in range(40)]
    near = [-end <= 2 * yard.REACHED_M for end in ends]
    assert sum(near[1::2]) >= 8 and sum(near[::2]) <= 8


@pytest.mark.parametrize("level", ["point", "glide"])
def test_episodes_that_are_explored_at_once_are_those_of_each_seed_alone(level):
    explorer = explorer_of(f"sprites,level={level}")
    seeds = [4, 7, 1, 12, 9]
    for seed, together in zip(seeds, explorer.episodes(seeds, 25), strict=True):
        alone = explorer.episode(seed, 25)
        for name in ("images", "state", "action"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
        for name, values in alone.signals.items():
            np.testing.assert_array_equal(together.signals[name], values)
