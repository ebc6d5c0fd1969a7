"""The contract of `{type: gym}` over environments of several packages.

Those of packages that are not installed are skipped, each with a reason; `pip install 'wm-planner[envs]'`
brings them, `make test-envs` runs them.
"""

import importlib.util
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest

from wm_planner.errors import SimulationError
from wm_planner.simulation.gym import GymSimulator
from wm_planner.simulation.gym_environment import GymConfig, make, seed_global_generators

pytestmark = pytest.mark.filterwarnings("ignore")  # what the packages of others warn of
STEPS = 5


class Environment(NamedTuple):
    """An environment, the packages that it needs, and why its state cannot be saved, if it cannot."""

    id: str
    packages: tuple[str, ...] = ()
    renderer: str = "pygame"
    unsaved: str = ""


MUJOCO = {"packages": ("mujoco",), "renderer": "OpenGL"}
ENVIRONMENTS = [
    Environment("Pendulum-v1"),
    Environment("CartPole-v1"),
    Environment("Acrobot-v1"),
    Environment("MountainCar-v0"),
    Environment("MountainCarContinuous-v0"),
    Environment("FrozenLake-v1"),
    Environment("Taxi-v4"),
    Environment("Blackjack-v1"),
    Environment("LunarLander-v3", ("Box2D",), unsaved="cannot be saved"),
    Environment("InvertedPendulum-v5", **MUJOCO),
    Environment("Reacher-v5", **MUJOCO),
    Environment("minigrid:MiniGrid-FourRooms-v0", ("minigrid",)),
    Environment("minigrid:MiniGrid-DoorKey-5x5-v0", ("minigrid",)),
    Environment("highway_env:parking-v0", ("highway_env",)),
    Environment("gymnasium_robotics:PointMaze_UMaze-v3", ("gymnasium_robotics",), "OpenGL"),
    Environment("gymnasium_robotics:AdroitHandDoor-v1", ("gymnasium_robotics",), "OpenGL"),
    Environment("ogbench:pointmaze-medium-v0", ("ogbench",), "OpenGL"),
    Environment("ogbench:cube-single-v0", ("ogbench",), "OpenGL", "cannot be saved"),
    Environment("wm_planner.sprites.simulation.gym_env:wm_planner/SpriteYard-Glide-v0", (), "numpy"),
]


def needed(*packages):
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed: pip install 'wm-planner[envs]'")


@pytest.fixture(params=ENVIRONMENTS, ids=lambda each: each.id.rpartition(":")[2])
def environment(request):
    needed(*request.param.packages)
    return request.param


def commands(simulator, seed=0):
    low, high = np.array(simulator.scene.action.low), np.array(simulator.scene.action.high)
    return np.random.default_rng(seed).uniform(low, high, (STEPS, len(low)))


def played(simulator, rows):
    """The observations and rewards of some commands, up to the end of the episode."""
    results = []
    for row in rows:
        results.append(simulator.step(row))
        if results[-1].is_over:
            break
    return [(r.observation.state, r.observation.images, r.reward, r.is_over) for r in results]


def assert_equal(one, other):
    assert len(one) == len(other)
    for (state, images, *rest), (state2, images2, *rest2) in zip(one, other, strict=True):
        assert rest == rest2 and state.keys() == state2.keys() and images.keys() == images2.keys()
        for name in state:
            np.testing.assert_array_equal(state[name], state2[name])
        for name in images:
            np.testing.assert_array_equal(images[name], images2[name])


def test_the_same_seed_and_commands_give_the_same_episode(environment):
    first, second = (GymSimulator(GymConfig(id=environment.id)) for _ in range(2))
    first.reset(7)
    played(first, commands(first))
    first.reset(3)
    expected = played(first, commands(first))
    second.reset(3)
    assert_equal(played(second, commands(second)), expected)
    first.close(), second.close()


def test_commands_become_actions_of_the_space_and_observations_have_the_declared_sizes(environment):
    made, env = GymSimulator(GymConfig(id=environment.id)), make(GymConfig(id=environment.id))
    low, high = np.array(made.scene.action.low), np.array(made.scene.action.high)
    for command in (*commands(made), low - 5.0, high + 5.0):
        assert env.action_space.contains(made.decode(command))
    seen = made.reset(0)
    assert {name: len(values) for name, values in seen.state.items()} == {
        quantity.name: quantity.size for quantity in made.quantities
    }
    assert np.isfinite(np.concatenate([values.astype(float) for values in seen.state.values()] or [[]])).all()
    made.close(), env.close()


def test_the_picture_is_that_of_a_second_instance_in_the_same_state(environment):
    needed(environment.renderer)
    config = GymConfig(id=environment.id, render=True)
    made, env = GymSimulator(config), make(config)
    seen = made.reset(3)
    seed_global_generators(3)  # those of ogbench are seeded by nothing else
    env.reset(seed=3)
    np.testing.assert_array_equal(seen.images["render"], env.render())
    for command in commands(made):
        result = made.step(command)
        env.step(made.decode(command))
        np.testing.assert_array_equal(result.observation.images["render"], env.render())
        if result.is_over:
            break
    made.close(), env.close()


def test_a_saved_state_continues_as_before_or_is_refused_by_name(environment):
    made = GymSimulator(GymConfig(id=environment.id))
    made.reset(3)
    made.step(commands(made, 1)[0])
    if environment.unsaved:
        with pytest.raises(SimulationError, match=f"{environment.id}: .*{environment.unsaved}"):
            made.save()
    else:
        saved = made.save()
        expected = played(made, commands(made))
        made.reset(9)
        made.load(saved)
        assert_equal(played(made, commands(made)), expected)
    made.close()


def test_enough_environments_of_enough_packages_are_listed():
    packages = {each.packages or ("gymnasium",) for each in ENVIRONMENTS}
    assert len(ENVIRONMENTS) >= 12 and len(packages) >= 5
    assert gymnasium.__version__
