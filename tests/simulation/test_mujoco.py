"""Time, divergence and pictures of MuJoCo scenes, on a block that is pushed by a motor."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Placement, Task
from wm_planner.control.actuators import ActuatorTargets
from wm_planner.errors import ConfigError
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.rendering import Camera
from wm_planner.world_models.physics.model import PhysicsModel

FORCE = ActionSpec(names=("force",), units=("N",), low=(-9.0,), high=(9.0,))
SLED = """
<mujoco>
  <option timestep="{timestep}" gravity="0 0 0"/>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="top" pos="0 0 2"/>
    <geom type="plane" size="2 2 0.1" rgba="0.8 0.2 0.2 1" contype="0" conaffinity="0"/>
    {bodies}
    <body name="block" pos="0 0 0.2">
      <joint name="rail" type="slide" axis="1 0 0" stiffness="{stiffness}"/>
      <geom type="box" size="0.1 0.1 0.1" mass="1" contype="0" conaffinity="0"/>
    </body>
    <body name="hook" pos="0 0.5 0.2" mocap="true"><geom size="0.05" contype="0" conaffinity="0"/></body>
    <body name="load" pos="0 0.5 0.2">
      <freejoint/><geom name="load" size="0.06" mass="0.2" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator><motor joint="rail" ctrlrange="-1e12 1e12"/></actuator>
  <equality><weld name="held" body1="hook" body2="load"/></equality>
</mujoco>"""


@dataclass(frozen=True)
class Sled:
    model_file: Path
    control_dt_s: float = 0.1
    image_size: tuple[int, int] = (32, 32)
    cameras: tuple[str, ...] = ("top",)
    name: str = "sled"
    point: str = "block"
    points: tuple[str, ...] = ("block", "load")
    success_radius: float = 1e9
    action: ActionSpec = FORCE

    def control(self, model):
        return ActuatorTargets.of(model)

    def sample(self, rng):
        return Task(Placement(), Placement(), np.array([1.0, 0.0, 0.2]))


@pytest.fixture
def sled(tmp_path):
    """Simulates the block."""
    made = []

    def make(timestep=0.002, bodies="", stiffness=0, **scene):
        file = tmp_path / "sled.xml"
        file.write_text(SLED.format(timestep=timestep, bodies=bodies, stiffness=stiffness))
        made.append(MujocoSimulator(Sled(file, **scene)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(("timestep", "period"), [(0.002, 1 / 30), (0.2, 0.1), (0.03, 0.1)])
def test_a_period_that_is_no_whole_number_of_time_steps_is_refused(sled, timestep, period):
    with pytest.raises(
        ConfigError, match=r"option timestep of sled.xml is .* of sled is .* steps of 0\.[01]"
    ):
        sled(timestep, control_dt_s=period)


@pytest.mark.parametrize("slices", [2, 3, 5, 7])
def test_any_slices_of_a_period_add_up_to_its_physics(sled, slices):
    whole, sliced = sled(0.01), sled(0.01)
    for simulator in (whole, sliced):
        simulator.reset(0)
        simulator.command(np.array([2.0]))
    period_ns = nanoseconds(0.1)
    for _ in range(3):
        whole.advance(0.1)
        for i in range(slices):
            sliced.advance(((i + 1) * period_ns // slices - i * period_ns // slices) / 1e9)
        assert sliced.data.time == whole.data.time
        assert sliced.observe().stamp_ns == whole.observe().stamp_ns
    np.testing.assert_array_equal(sliced.data.qpos, whole.data.qpos)


def test_physics_that_diverges_ends_the_episode_at_the_last_valid_state(sled, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    simulator = sled()
    simulator.reset(0)
    good = simulator.step(np.array([1.0]))
    assert not good.failure and good.success
    bad = simulator.step(np.array([1e12]))
    assert bad.failure.startswith("the physics diverged within 0.1 s after 0.100 s")
    assert bad.is_over and not bad.success
    np.testing.assert_array_equal(
        bad.observation.state["joint_positions"], good.observation.state["joint_positions"]
    )
    assert simulator.step(np.array([1.0])).failure == bad.failure == simulator.advance(0.1).failure
    assert not list(tmp_path.glob("MUJOCO_LOG*")) and capfd.readouterr().err == ""
    simulator.reset(1)
    assert not simulator.step(np.array([1.0])).failure


def test_a_spring_that_is_too_stiff_for_its_time_step_diverges(sled):
    simulator = sled(stiffness=1e8)
    simulator.reset(0)
    result = simulator.step(np.array([1.0]))
    assert result.failure and result.observation.state["joint_positions"] == [0.0]


def test_a_loaded_state_has_not_diverged(sled):
    simulator = sled()
    simulator.reset(0)
    saved = simulator.save()
    assert simulator.step(np.array([1e12])).failure
    simulator.load(saved)
    assert not simulator.step(np.array([1.0])).failure


def test_planning_knows_moved_mocap_bodies_and_released_welds(sled):
    simulator = sled(cameras=())
    model = PhysicsModel(PhysicsModel.Config(threads=2), simulator.scene)
    for is_held in (True, False):
        simulator.reset(0)
        simulator.data.mocap_pos[0] = [0.3, 0.8, 0.2]
        simulator.data.eq_active[0] = is_held
        imagined = model.rollout(model.encode(simulator.truth()), np.full((2, 5, 1), 3.0))
        for _ in range(5):
            simulator.step(np.array([3.0]))
        for name in ("load_position", "block_position"):
            end = simulator.measured(name)
            np.testing.assert_allclose(imagined.states[name][:, -1], [end, end], atol=1e-9)
        moved = np.linalg.norm(simulator.measured("load_position") - [0.0, 0.5, 0.2])
        assert (moved > 0.1) == is_held


def test_a_picture_larger_than_the_buffer_of_the_scene_is_whole(sled):
    pictures = [sled(image_size=size).observe().images["top"] for size in ((48, 96), (720, 1440))]
    assert pictures[1].shape == (720, 1440, 3)
    small = pictures[1].reshape(48, 15, 96, 15, 3).mean(axis=(1, 3))
    assert np.abs(small - pictures[0]).mean() < 3


def test_a_camera_that_is_dropped_takes_nothing_from_another(sled):
    simulator = sled()
    shown = simulator.observe().images["top"]
    for size in (64, 48, 32):
        camera = Camera(simulator.model, size, size)  # replaces the one before, which is not closed
        picture = camera.picture(simulator.data, "top")
    np.testing.assert_array_equal(picture, shown)


def test_a_picture_shows_everything_in_a_crowded_scene(sled):
    row = "".join(
        f'<body pos="{x / 20 - 1} {y / 20 - 1} 0.3"><geom size="0.03" rgba="0 0 1 1"/></body>'
        for x in range(40)
        for y in range(40)
    )
    picture = sled(bodies=row).observe().images["top"].astype(float)
    corners = [picture[:8, :8], picture[:8, -8:], picture[-8:, :8], picture[-8:, -8:]]
    blues = [corner[..., 2].mean() for corner in corners]
    assert min(blues) > 0.5 * max(blues)


def test_an_observation_of_a_failed_episode_is_finite(sled):
    simulator = sled()
    simulator.reset(0)
    observation: Observation = simulator.step(np.array([1e12])).observation
    assert all(np.isfinite(values).all() for values in observation.state.values())
