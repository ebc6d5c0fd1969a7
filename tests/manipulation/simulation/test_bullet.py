"""PyBullet's Panda as a simulator: seeded, bounded, its states restored exactly."""

import numpy as np
import pytest

from wm_planner.control.safety import Limits
from wm_planner.errors import ShapeError, SimulationError

pytest.importorskip("pybullet", reason="the simulator needs PyBullet: pip install 'wm-planner[bullet]'")

from wm_planner.collection.base import explorer_of
from wm_planner.contracts.task import Placement
from wm_planner.manipulation.simulation.bullet import BulletSimulator
from wm_planner.manipulation.simulation.bullet_panda import HOME, PandaKinematics
from wm_planner.share import find
from wm_planner.simulation.scene import load_scene

DOWN = np.array([0.0, 0.0, -0.05])


def made():
    return BulletSimulator(BulletSimulator.Config())


@pytest.fixture(scope="module")
def simulator():
    result = made()
    yield result
    result.close()


def act(simulator, action):
    """Carry out an action as the controller does."""
    q = simulator.observe().state["joint_positions"]
    command = simulator.control.command(q, np.asarray(action, np.float64))
    limits = Limits(*simulator.control.bounds, coupled=simulator.control.coupled)
    return simulator.step(limits.apply(command, q, simulator.scene.control_dt_s).command)


def assert_same(a, b):
    for kind in ("images", "state"):
        assert getattr(a, kind).keys() == getattr(b, kind).keys()
        for name, value in getattr(a, kind).items():
            np.testing.assert_array_equal(value, getattr(b, kind)[name])
    assert a.stamp_ns == b.stamp_ns


def test_cameras_actions_rate_and_task_are_those_of_the_mujoco_scene(simulator):
    ours, theirs = simulator.scene, load_scene(str(find("sim/panda_reach.py")))
    for name in ("cameras", "image_size", "control_dt_s", "action", "success_radius", "low", "high"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_the_same_seed_is_the_same_episode_in_another_simulator(simulator):
    twin = made()
    for seed in (0, 7):
        assert_same(simulator.reset(seed), twin.reset(seed))
        assert_same(simulator.goal, twin.goal)
        for action in np.random.default_rng(seed).uniform(-0.05, 0.05, (4, 3)):
            assert_same(act(simulator, action).observation, act(twin, action).observation)
    assert not np.array_equal(simulator.reset(1).images["front"], simulator.reset(2).images["front"])
    twin.close()


def test_what_happened_before_does_not_change_an_episode(simulator):
    first = simulator.reset(3), act(simulator, DOWN).observation
    for _ in range(8):
        act(simulator, DOWN)
    assert_same(simulator.reset(3), first[0])
    assert_same(act(simulator, DOWN).observation, first[1])


def test_an_observation_has_two_pictures_and_the_states_of_the_arm(simulator):
    seen = simulator.reset(0)
    assert {name: picture.shape for name, picture in seen.images.items()} == {
        "front": (64, 64, 3),
        "side": (64, 64, 3),
    }
    assert {name: value.shape for name, value in seen.state.items()} == {
        "joint_positions": (7,),
        "joint_velocities": (7,),
        "tcp_position": (3,),
    }
    for picture in seen.images.values():
        red, _, blue = np.moveaxis(picture.astype(int), -1, 0)
        assert ((red - blue) > 100).any(), "no finger is seen"


def test_the_goal_picture_shows_the_tool_point_at_the_goal(simulator):
    simulator.reset(5)
    assert simulator.distance >= simulator.scene.min_distance and not simulator.reached
    seen = simulator.place(simulator.goal_position)
    for name, picture in seen.images.items():
        np.testing.assert_array_equal(picture, simulator.goal.images[name])
    assert simulator.distance < 1e-3 and simulator.reached


def test_an_action_displaces_the_tool_point(simulator):
    before = simulator.place(np.array([0.5, 0.0, 0.25])).state["tcp_position"]
    action = np.array([0.05, -0.05, 0.03])
    result = act(simulator, action)
    np.testing.assert_allclose(result.observation.state["tcp_position"] - before, action, atol=1e-3)


def test_the_arm_stays_in_its_workspace_and_within_its_limits(simulator):
    simulator.reset(0)
    low, high, rate = simulator.control.bounds
    for direction in ([0, 1, 1], [0, -1, -1]):
        for _ in range(16):
            state = act(simulator, 0.05 * np.array(direction)).observation.state
            assert (state["tcp_position"] >= simulator.control.low - 2e-3).all()
            assert (state["tcp_position"] <= simulator.control.high + 2e-3).all()
            assert (state["joint_positions"] >= low).all() and (state["joint_positions"] <= high).all()
            assert (np.abs(state["joint_velocities"]) <= rate).all()


def test_a_command_into_the_table_is_stopped_by_it_and_counts_as_contact(simulator):
    before = simulator.place(np.array([0.5, 0.0, 0.08])).state["joint_positions"]
    into_table = simulator.control.chain.forward(before)[0] - [0, 0, 0.15]
    result = simulator.step(simulator.control.solve(before, into_table, 60))
    assert result.info["touched"] == 1
    assert result.observation.state["tcp_position"][2] > -0.01


@pytest.mark.parametrize("depth", [0.0, 0.15])
def test_a_loaded_state_continues_exactly_as_before(simulator, depth):
    """With `depth` while the hand is pressed into the table, where contacts have a memory."""
    q = simulator.place(np.array([0.5, 0.0, 0.08])).state["joint_positions"]
    point = simulator.control.chain.forward(q)[0] - [0, 0, depth]
    simulator.command(simulator.control.solve(q, point, 60))
    simulator.advance(0.1)  # in the middle of a period, with targets to come
    saved, actions = simulator.save(), np.random.default_rng(0).uniform(-0.05, 0.05, (3, 3))

    def rest():
        simulator.advance(0.1)
        return [simulator.observe(), *(act(simulator, action).observation for action in actions)]

    expected = rest()
    simulator.reset(9)
    for _ in range(2):
        simulator.load(saved)
        for one, other in zip(rest(), expected, strict=True):
            assert_same(one, other)


def test_a_state_of_another_simulator_is_refused(simulator):
    twin = made()
    with pytest.raises(SimulationError, match="only where it was saved"):
        twin.load(simulator.save())
    twin.close()


@pytest.mark.parametrize("command", [np.zeros(6), np.full(7, np.nan)])
def test_a_command_of_another_kind_is_refused(simulator, command):
    with pytest.raises(ShapeError, match=r"wanted 7 finite actuator targets \(panda_joint1"):
        simulator.command(command)


def test_a_placement_or_quantity_that_does_not_exist_is_refused(simulator):
    with pytest.raises(SimulationError, match="a placement of block, wanted one of the tool point alone"):
        simulator.arrange(Placement(np.zeros(3), {"block": np.zeros(7)}))
    with pytest.raises(SimulationError, match=r"no state 'tcp_positon', did you mean 'tcp_position'"):
        simulator.measured("tcp_positon")


def test_the_jacobian_is_the_derivative_of_the_tool_point():
    chain, q, step = PandaKinematics(), np.array(HOME) + 0.1, 1e-5
    _, _, jacobian = chain.jacobian(q)
    for joint in range(7):
        move = np.zeros(7)
        move[joint] = step
        slope = (chain.forward(q + move)[0] - chain.forward(q - move)[0]) / (2 * step)
        np.testing.assert_allclose(jacobian[:3, joint], slope, atol=1e-6)
    with pytest.raises(ShapeError, match=r"have shape \(2, 7\), wanted \(7,\)"):
        chain.forward(np.zeros((2, 7)))


def test_exploration_records_the_episode_of_a_seed():
    explorer = explorer_of("bullet")
    for seed in (0, 1):  # wanders, seeks
        first, again = explorer.episode(seed, 5), explorer.episode(seed, 5)
        assert first.images.shape == (6, 2, 64, 64, 3) and first.state.shape == (6, 10)
        np.testing.assert_array_equal(first.images, again.images)
        assert (np.abs(first.action) <= 0.05 + 1e-7).all()
        moved = np.diff(first.state[:, :3], axis=0)
        np.testing.assert_allclose(moved, first.action[:-1], atol=0.02)
