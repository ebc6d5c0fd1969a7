"""The contract of every scene in sim/."""

import os
import subprocess
import sys

import numpy as np
import pytest

from wm_planner import share
from wm_planner.errors import SimulationError
from wm_planner.evaluation.closed_loop.episodes import run_episode
from wm_planner.evaluation.closed_loop.policies import RandomActions, StraightLine
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Disturbance, load_scene

SCENES = [f"sim/{name}" for name in share.listing("sim", ".py")]


@pytest.fixture(params=SCENES)
def simulator(request):
    simulator = MujocoSimulator(load_scene(request.param))
    yield simulator
    simulator.close()


def action_at(simulator, position=0.5):
    """An action at `position` within its bounds, -1 to 1."""
    low, high = np.array(simulator.scene.action.low), np.array(simulator.scene.action.high)
    return low + (0.5 + 0.5 * position) * (high - low)


def test_the_scenes_are_found():
    stems = ("cartpole", "panda_pick", "panda_push", "panda_reach", "panda_reach_wall")
    assert {f"sim/{stem}.py" for stem in stems} <= set(SCENES)


def test_observations_are_finite_and_of_the_declared_shapes(simulator):
    observation = simulator.reset(seed=0)
    height, width = simulator.scene.image_size
    assert set(observation.images) == set(simulator.goal.images) == set(simulator.scene.cameras)
    for picture in [*observation.images.values(), *simulator.goal.images.values()]:
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 10  # the image is not uniform
    assert all(np.isfinite(values).all() for values in observation.state.values())


def test_a_goal_has_images_and_no_state(simulator):
    simulator.reset(seed=0)
    assert not simulator.goal.state


def test_starts_are_far_from_goals_and_goals_match_their_images(simulator):
    for seed in range(20):
        simulator.reset(seed)
        assert simulator.distance >= 0.1 > simulator.scene.success_radius / 2
        assert not simulator.reached
        simulator.arrange(simulator.scene.sample(np.random.default_rng(seed)).goal)
        assert simulator.distance < 0.006
        assert simulator.reached


def test_nothing_penetrates_at_the_start(simulator):
    for seed in range(20):
        for placement in (
            simulator.scene.sample(np.random.default_rng(seed)).start,
            simulator.scene.explore(np.random.default_rng(seed)),
        ):
            simulator.arrange(placement)
            assert all(contact.dist > -1e-3 for contact in simulator.data.contact)


def test_the_tool_is_placed_accurately(simulator):
    for seed in range(10):
        placement = simulator.scene.explore(np.random.default_rng(seed))
        state = simulator.arrange(placement).state
        if placement.tcp is not None:
            assert np.linalg.norm(state["tcp_position"] - placement.tcp) < 0.005


def test_every_actuated_joint_is_observed(simulator):
    state = simulator.reset(seed=0).state
    assert len(simulator.joints) == simulator.model.nu
    assert state["joint_positions"].shape == state["joint_velocities"].shape == (simulator.model.nu,)


def test_the_same_seed_gives_the_same_episode(simulator):
    runs = [run_episode(simulator, RandomActions(), seed=3, steps=5) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].distances, runs[1].distances)
    pictures = [simulator.reset(3).images for _ in range(2)]
    for name in simulator.scene.cameras:
        np.testing.assert_array_equal(pictures[0][name], pictures[1][name])


def test_a_restored_state_continues_identically(simulator):
    simulator.reset(seed=1)
    q = simulator.observe().state["joint_positions"]
    simulator.step(simulator.control.command(q, action_at(simulator)))
    saved = simulator.save()
    q = simulator.observe().state["joint_positions"]
    command = simulator.control.command(q, action_at(simulator, -0.5))
    first = simulator.step(command)
    simulator.load(saved)
    second = simulator.step(command)
    np.testing.assert_array_equal(
        first.observation.state["joint_positions"], second.observation.state["joint_positions"]
    )
    assert first.observation.stamp_ns == second.observation.stamp_ns


def test_advancing_in_slices_equals_one_step(simulator):
    q = simulator.reset(seed=1).state["joint_positions"]
    saved = simulator.save()
    command = simulator.control.command(q, action_at(simulator))
    whole = simulator.step(command).observation
    simulator.load(saved)
    simulator.command(command)
    timestep = simulator.model.opt.timestep
    for _ in range(round(simulator.scene.control_dt_s / timestep / 2)):
        simulator.advance(2 * timestep)
    np.testing.assert_allclose(
        simulator.observe().state["joint_positions"], whole.state["joint_positions"], atol=1e-9
    )


def test_straight_motion_reaches_the_goal_unless_a_wall_blocks_it():
    for scene, reached in (("sim/panda_reach.py", True), ("sim/panda_reach_wall.py", False)):
        simulator = MujocoSimulator(load_scene(scene))
        ends = [run_episode(simulator, StraightLine(), seed, steps=20).end for seed in range(6)]
        assert all((end < 0.01) == reached for end in ends), ends
        simulator.close()


@pytest.mark.parametrize(
    "changed", [{"camera_shift_m": 0.02}, {"camera_tilt_deg": 2.0}, {"light_scale": 0.5}, {"distractors": 2}]
)
def test_a_disturbance_changes_the_images_and_not_the_motion(changed):
    scene = load_scene("sim/panda_reach.py")
    plain, disturbed = MujocoSimulator(scene), MujocoSimulator(scene, Disturbance(**changed))
    before, after = plain.reset(0), disturbed.reset(0)
    assert any((before.images[name] != after.images[name]).mean() > 0.005 for name in scene.cameras)
    np.testing.assert_array_equal(before.state["joint_positions"], after.state["joint_positions"])
    plain.close()
    disturbed.close()


def test_a_scene_without_an_arm_refuses_arm_operations():
    cartpole = MujocoSimulator(load_scene("sim/cartpole.py"))
    with pytest.raises(SimulationError, match="actions of cartpole are slider"):
        _ = cartpole.arm
    with pytest.raises(SimulationError, match="no tool point"):
        _ = cartpole.tcp_position
    with pytest.raises(SimulationError, match="place the scene by its joints"):
        cartpole.place(np.zeros(3))
    cartpole.close()


def test_a_closed_gripper_holds_the_block_while_the_arm_moves():
    simulator = MujocoSimulator(load_scene("sim/panda_pick.py"))
    simulator.reset(seed=0)
    observation = simulator.arrange(simulator.scene.sample(np.random.default_rng(0)).goal)
    for _ in range(10):
        q = observation.state["joint_positions"]
        observation = simulator.step(
            simulator.control.command(q, np.array([0.0, 0.01, 0.0, 0.0]))
        ).observation
    block = simulator.data.body("block").xpos
    assert np.linalg.norm(block - observation.state["tcp_position"]) < 0.01
    assert block[2] > 0.12
    simulator.close()


def test_an_unknown_camera_is_reported_with_the_closest_one():
    simulator = MujocoSimulator(load_scene("sim/panda_reach.py"))
    with pytest.raises(SimulationError, match=r"no camera 'frnt', did you mean 'front'"):
        simulator._camera.picture(simulator.data, "frnt")
    simulator.close()


def test_a_file_without_a_scene_is_refused(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(SimulationError, match="declares no SCENE"):
        load_scene(str(tmp_path / "empty.py"))


def test_a_machine_without_gl_is_told_which_packages_to_install(tmp_path):
    program = (
        "from wm_planner.simulation.scene import load_scene\n"
        "from wm_planner.simulation.mujoco import MujocoSimulator\n"
        "try:\n    MujocoSimulator(load_scene('sim/panda_reach.py'))\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path), "EGL_PLATFORM": "none"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("SimulationError"), result
    assert "apt-get install libegl1" in result.stdout
