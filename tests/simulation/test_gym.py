"""Gymnasium environments as simulators: Pendulum-v1, and an environment with everything at once."""

import re
import threading

import grid_env
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from wm_planner.bridges.simulators import check
from wm_planner.clock import nanoseconds
from wm_planner.config import convert
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import ReachState, Scored
from wm_planner.errors import ConfigError, ShapeError, SimulationError
from wm_planner.simulation.gym import GymSimulator
from wm_planner.simulation.gym_observations import Observations, quantity_of
from wm_planner.simulation.gym_spaces import actions_of
from wm_planner.simulation.gym_state import check_snapshots

PENDULUM = "Pendulum-v1"
GRID = "tests/Grid-v0"


def simulator(id_=PENDULUM, **settings):
    return GymSimulator(convert({"id": id_, **settings}, GymSimulator.Config, "here"))


def test_a_step_is_the_environments_own():
    made, env = simulator(), gymnasium.make(PENDULUM)
    seen, (raw, _) = made.reset(3), env.reset(seed=3)
    np.testing.assert_array_equal(seen.state["observation"], raw)
    for torque in (1.5, -2.0, 0.3):
        result, (raw, reward, *_) = made.step(np.array([torque])), env.step(np.array([torque], np.float32))
        np.testing.assert_array_equal(result.observation.state["observation"], raw)
        assert (result.reward, result.is_over) == (reward, False)
        assert np.isnan(result.distance) and not result.success


def test_what_is_hosted_is_described_by_the_environment():
    scene = simulator(names=("torque",), units=("N m",)).scene
    assert (scene.name, scene.cameras, scene.image_size, scene.control_dt_s) == (PENDULUM, (), (0, 0), 0.05)
    assert (scene.action.names, scene.action.units) == (("torque",), ("N m",))
    assert (scene.action.low, scene.action.high) == ((-2.0,), (2.0,))
    assert simulator("MountainCar-v0").scene.action.choices == 3
    assert simulator(options={"max_episode_steps": 7}).objective == Scored(steps=7, has_reward=True)


def test_an_episode_is_over_when_the_environment_says_so():
    made = simulator(options={"max_episode_steps": 2})
    made.reset(0)
    assert not made.step(np.zeros(1)).is_over
    last = made.step(np.zeros(1))
    assert last.truncated and not last.terminated
    with pytest.raises(SimulationError, match="the episode is over: call reset"):
        made.step(np.zeros(1))
    made.reset(1)
    assert not made.step(np.zeros(1)).is_over


def test_commands_are_kept_within_the_bounds_and_must_be_finite():
    made = simulator()
    made.reset(0)
    saved = made.save()
    most = made.step(np.array([2.0]))
    made.load(saved)
    assert made.step(np.array([50.0])).reward == most.reward
    for wrong in ([np.nan], [1.0, 2.0]):
        with pytest.raises(ShapeError, match="wanted 1 finite numbers: a0"):
            made.step(np.array(wrong))


def test_time_moves_the_environment_in_whole_steps_and_sums_rewards():
    made, twin = simulator(), simulator()
    made.reset(0), twin.reset(0)
    made.command(np.array([1.0]))
    assert made.advance(0.04) is None
    advanced = made.advance(0.06)
    rewards = [twin.step(np.array([1.0])).reward for _ in range(2)]
    assert advanced.reward == sum(rewards)
    np.testing.assert_array_equal(made.observe().state["observation"], twin.observe().state["observation"])
    assert made.observe().stamp_ns == 2 * nanoseconds(0.05)


@pytest.mark.parametrize(
    ("observed", "reward", "words"),
    [
        ([np.nan, 0.0, 0.0], 0.0, r"observation\[0\] is nan after step 2 of the environment Pendulum-v1"),
        ([1.0, 0.0, 0.0], -np.inf, "the reward is -inf after step 2 of the environment Pendulum-v1"),
    ],
)
def test_a_step_that_is_not_finite_ends_the_episode_as_failed(monkeypatch, observed, reward, words):
    made = simulator()
    made.reset(0)
    good = made.step(np.zeros(1))
    monkeypatch.setattr(
        type(made._env.unwrapped), "step", lambda self, u: (np.array(observed), reward, False, False, {})
    )
    failed = made.step(np.zeros(1))
    assert re.fullmatch(words, failed.failure) and failed.terminated and failed.reward == 0.0
    np.testing.assert_array_equal(
        failed.observation.state["observation"], good.observation.state["observation"]
    )
    made.reset(1)
    assert made.advance(0.05).failure


def test_pictures_of_an_environment_without_render_are_refused():
    class NoRender(grid_env.Grid):
        metadata = {}  # noqa: RUF012
        render = gymnasium.Env.render

    gymnasium.register("tests/NoRender-v0", NoRender)
    with pytest.raises(SimulationError, match="NoRender-v0: it has no pictures: it has no method render"):
        simulator("tests/NoRender-v0", render=True)


def test_time_does_not_move_an_episode_that_is_over():
    made = simulator(options={"max_episode_steps": 2})
    made.reset(0)
    assert made.advance(1.0).truncated
    assert made.advance(1.0) is None


def test_a_dict_observation_becomes_pictures_signals_goal_and_text():
    made = simulator(GRID, render=True)
    seen = made.reset(4)
    assert made.scene.cameras == ("view", "render")
    assert {name: picture.shape for name, picture in seen.images.items()} == {
        "view": (20, 20, 3),
        "render": (20, 20, 3),
    }
    assert set(seen.state) == {"body_cell", "body_holds"}
    assert {q.name: q.size for q in made.quantities} == {"body_cell": 2, "body_holds": 1}
    assert made.goal.text == "go to the goal"
    assert list(made.goal.state) == ["desired_goal"] and made.goal.kind == "state"


def test_success_is_what_the_environment_reports_and_numbers_of_its_info_are_kept():
    made = simulator(GRID)
    made.reset(4)
    for _ in range(40):
        cell, goal = made.observe().state["body_cell"], made.goal.state["desired_goal"]
        vertical, horizontal = np.sign(goal - cell).astype(int) + 1
        result = made.step(np.array([3 * vertical + horizontal]))
        if result.is_over:
            break
    assert result.success and result.terminated and made.reached
    assert result.info == {"is_success": 1.0, "off": 0.0}


def test_the_same_seed_starts_the_same_episode():
    made = simulator(GRID)
    first = made.reset(5).state["body_cell"]
    made.step(np.array([8.0]))
    np.testing.assert_array_equal(made.reset(5).state["body_cell"], first)
    assert any((made.reset(seed).state["body_cell"] != first).any() for seed in range(6, 9))


def test_a_goal_is_a_picture_of_where_random_actions_lead():
    made = simulator(GRID, goal={"steps": 6, "quantity": "body_cell", "radius": 0.5}, size_px=10, render=True)
    start = made.reset(7)
    assert made.goal.kind == "picture" and not made.goal.state
    assert made.goal.images["render"].shape == (10, 10, 3)
    shown = made.goal.images["render"].copy()
    np.testing.assert_array_equal(made.reset(7).images["render"], start.images["render"])
    np.testing.assert_array_equal(made.goal.images["render"], shown)
    assert isinstance(made.objective, ReachState) and not made.reached


def test_a_goal_can_be_a_state_that_is_set():
    made = simulator(GRID, goal={"state": [3, 4], "quantity": "body_cell", "radius": 0.5}, render=True)
    made.reset(0)
    assert made.goal.images["render"][3, 4, 0] == 255
    made._env.unwrapped.set_state(np.array([3.0, 5.0]))
    assert made.step(np.array([3.0])).success  # one column to the left


@pytest.mark.parametrize(
    ("id_", "state"),
    [(PENDULUM, (0.0, 0.0)), ("CartPole-v1", (0.0, 0.0, 0.1, 0.0)), ("MountainCar-v0", (0.5, 0.0))],
)
def test_a_goal_without_cameras_is_told_as_a_state(id_, state):
    made = simulator(id_, goal={"state": state, "radius": 0.1})
    made.reset(0)
    assert made.goal.kind == "state"
    expected = [1.0, 0.0, 0.0] if id_ == PENDULUM else state
    np.testing.assert_allclose(made.goal.state["observation"], expected, atol=1e-6)


def test_a_restored_state_continues_as_before_with_reward_and_end():
    made = simulator(options={"max_episode_steps": 6})
    made.reset(2)
    made.step(np.array([1.0]))
    saved = made.save()
    rest = [made.step(np.array([0.5])) for _ in range(5)]
    made.reset(9)
    for _ in range(2):  # a state can be restored more than once
        made.load(saved)
        again = [made.step(np.array([0.5])) for _ in range(5)]
        assert [(r.reward, r.truncated) for r in again] == [(r.reward, r.truncated) for r in rest]
        np.testing.assert_array_equal(
            again[-1].observation.state["observation"], rest[-1].observation.state["observation"]
        )


class Elsewhere(grid_env.Grid):
    """An environment whose state lies outside of its attributes."""

    server: list = [0.0]  # noqa: RUF012, like a physics server

    def step(self, action):
        self.server[0] += 1.0
        observation, *rest = super().step(action)
        observation["body"]["cell"] = np.array([self.server[0], 0.0], np.float32)
        return observation, *rest


def test_a_state_that_lies_elsewhere_cannot_be_saved():
    with pytest.raises(SimulationError, match=r"grid: its state cannot be saved.*lies elsewhere"):
        check_snapshots(lambda: TimeLimit(Elsewhere(), 50), "grid")


def test_a_state_in_what_cannot_be_copied_is_refused_with_its_name():
    class Locked(grid_env.Grid):
        def __init__(self):
            super().__init__()
            self.steps = LockedCount()

        def step(self, action):
            self.steps.count += 1
            observation, reward, *ends = super().step(action)
            return observation, reward + self.steps.count, *ends

    with pytest.raises(
        SimulationError, match=r"in what cannot be copied \(Locked.steps: TypeError: cannot pic"
    ):
        check_snapshots(lambda: TimeLimit(Locked(), 50), "grid")


class LockedCount:
    """A count that cannot be copied, because of its lock."""

    def __init__(self):
        self.count, self.lock = 0, threading.Lock()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"id": "Pendulumm-v1"}, "Pendulum"),
        ({"id": "nowhere_at_all:Env-v0"}, "package 'nowhere_at_all' is not installed"),
        ({"id": GRID, "options": {"colour": "red"}}, "cannot be made: TypeError"),
        ({"id": PENDULUM, "low": [-1.0, 1.0]}, "has 1 components, low has 2"),
        ({"id": "CartPole-v1", "names": ["push"]}, "names, units, low and high are for a Box only"),
        ({"id": GRID, "goal": {"quantity": "body_cel"}}, "did you mean 'body_cell'"),
        ({"id": "tests/Blind-v0", "render": True}, "it cannot render in the mode rgb_array"),
    ],
)
def test_what_cannot_be_hosted_is_refused_before_anything_starts(settings, words):
    with pytest.raises(SimulationError, match=words):
        check({"type": "gym", **settings}, "simulator")
    with pytest.raises(ConfigError, match="unknown key 'pixels'"):
        check({"type": "gym", "id": PENDULUM, "pixels": True}, "simulator")


class Blind(grid_env.Grid):
    metadata = {"render_modes": ["human"]}  # noqa: RUF012, as Gymnasium has it


gymnasium.register("tests/Blind-v0", Blind)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Dict({"arm": spaces.Box(-1, 1, (2,))}), "is not supported, wanted Box"),
        (spaces.Box(-np.inf, np.inf, (2,)), "a0, a1 has no bounds"),
        (spaces.MultiDiscrete([100, 100]), "10000 combinations, at most 4096"),
        (spaces.Discrete(1), "nothing to plan"),
    ],
)
def test_an_action_space_that_cannot_be_planned_in_is_refused_by_name(space, words):
    with pytest.raises(SimulationError, match=words):
        actions_of(space)


def test_infinite_bounds_can_be_given():
    actions = actions_of(spaces.Box(-np.inf, np.inf, (2,)), low=(-1.0, -2.0), high=(1.0, 2.0))
    np.testing.assert_array_equal(actions.decode(np.array([3.0, -3.0])), np.array([1.0, -2.0], np.float32))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4, start=-1),
        spaces.MultiDiscrete([2, 3, 2], start=[0, 5, -1]),
        spaces.MultiBinary((2, 2)),
        spaces.Box(-2, 3, (2, 2)),
        spaces.Box(0, 9, (3,), np.int64),
    ],
)
def test_every_command_is_an_action_of_the_space(space):
    actions = actions_of(space)
    low, high = np.array(actions.spec.low), np.array(actions.spec.high)
    rng = np.random.default_rng(0)
    taken = [actions.decode(rng.uniform(low, high)) for _ in range(300)]
    assert all(space.contains(action) for action in taken)
    if actions.spec.choices:
        assert len({str(action) for action in taken}) == actions.spec.choices


def test_an_observation_without_a_fixed_size_is_refused_by_name():
    space = spaces.Dict({"seen": spaces.Sequence(spaces.Discrete(2))})
    with pytest.raises(SimulationError, match=r"'seen' is Sequence.* has no fixed size"):
        Observations.of(space)


def test_a_picture_needs_a_size_and_small_arrays_are_signals():
    assert [leaf.name for leaf in Observations.of(spaces.Box(0, 255, (64, 64, 3), np.uint8)).pictures]
    (small,) = Observations.of(spaces.Box(0, 255, (7, 7, 3), np.uint8)).quantities.values()
    assert small == Quantity(name="observation", size=147, unit="", low=(0.0,), high=(255.0,))


def box(low, high):
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


@pytest.mark.parametrize(
    ("space", "bounds"),
    [
        (spaces.Box(-np.inf, np.inf, (2,)), {}),
        (
            box([-4.8, -np.inf], [4.8, 1.0]),
            {"low": (-4.8, None), "high": (4.8, 1.0)},
        ),
        (box([0.0, 1.0], [1.0, 1.0]), {"low": (0.0, None), "high": (1.0, None)}),
        (spaces.Discrete(4), {"size": 1, "choices": 4}),
        (spaces.Discrete(4, start=-1), {"size": 1, "low": (-1.0,), "high": (2.0,)}),
        (spaces.MultiDiscrete([3, 3]), {"choices": 3}),
        (spaces.MultiDiscrete([2, 5]), {"low": (0.0,), "high": (1.0, 4.0)}),
        (spaces.MultiBinary(2), {"choices": 2}),
    ],
)
def test_the_bounds_of_a_space_become_those_of_the_signal(space, bounds):
    assert quantity_of("x", space) == Quantity(**{"name": "x", "size": 2, "unit": "", **bounds})
