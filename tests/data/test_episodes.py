import sys
from types import SimpleNamespace

import numpy as np
import pytest

from wm_planner.collection import CollectConfig, collect
from wm_planner.collection.base import explorer_of
from wm_planner.collection.collect import meta_of
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.dataset import COLLECTION_SEEDS, REWARD, Episode
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.episodes import META_FILE, EpisodeData
from wm_planner.data.validation import validated
from wm_planner.errors import DatasetError, PluginError, SimulationError
from wm_planner.manipulation.simulation.exploration import explore
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "reach"
    collect(CollectConfig(scene="sim/panda_reach.py", episodes=3, steps=6, jobs=1), folder)
    return folder


def test_a_collected_data_set_holds_complete_episodes(folder):
    data = EpisodeData.open(folder)
    assert data.images.shape == (21, 2, 64, 64, 3)
    assert data.state.shape == (21, 10)
    np.testing.assert_array_equal(data.episode, np.repeat([0, 1, 2], 7))
    assert data.meta.first_seed == COLLECTION_SEEDS
    assert data.meta.seeds_tried == 3 + data.meta.rejected["ik_excursion"]


def test_actions_lead_from_frame_to_frame(folder):
    """Without contact the tool moves approximately by its action; the last action of an episode is zero."""
    data = EpisodeData.open(folder)
    tcp = data.quantity("tcp_position")
    inside = data.clip_starts(2)
    displacement = tcp[inside + 1] - tcp[inside]
    assert np.median(np.linalg.norm(displacement - data.action[inside], axis=1)) < 0.01
    np.testing.assert_array_equal(data.action[6::7], 0)


def test_clips_stay_within_an_episode(folder):
    data = EpisodeData.open(folder)
    np.testing.assert_array_equal(data.clip_starts(6), [0, 1, 7, 8, 14, 15])
    assert not len(data.clip_starts(8))


@pytest.mark.parametrize("seed", [5, 6])
def test_an_arm_explores_next_to_a_block(seed):
    simulator = MujocoSimulator(load_scene("sim/panda_push.py"))
    episode = explore(simulator, seed, steps=3)
    simulator.close()
    assert episode.action.shape == (4, 3)


@pytest.mark.parametrize(
    ("scene", "names"),
    [
        ("panda_push", ["tcp_position", "joint_positions", "block_position"]),
        ("panda_pick", ["tcp_position", "joint_positions", "block_position"]),
        (
            "cartpole",
            ["slider_position", "slider_velocity", "hinge_position", "hinge_velocity", "tip_position"],
        ),
    ],
)
def test_every_scene_records_the_state_that_it_names(tmp_path, scene, names):
    collect(CollectConfig(scene=f"sim/{scene}.py", episodes=2, steps=3, jobs=1), tmp_path / "x")
    data = EpisodeData.open(tmp_path / "x")
    assert [quantity.name for quantity in data.meta.state] == names
    assert data.state.shape == (8, sum(quantity.size for quantity in data.meta.state))
    assert validated(data) == ()  # actions lie within their bounds
    assert len(np.unique(data.state, axis=0)) > 4


def test_a_gripper_grasps_and_lifts_the_block_in_some_episodes():
    simulator = MujocoSimulator(load_scene("sim/panda_pick.py"))
    heights = [explore(simulator, seed, steps=40).state[:, -1].max() for seed in (1, 3, 7)]
    simulator.close()
    assert max(heights) > 0.08 > min(heights)  # m, of the block's centre; some attempts miss


def test_a_state_that_a_scene_does_not_have_is_named():
    scene = load_scene("sim/panda_push.py")
    simulator = MujocoSimulator(scene)
    with pytest.raises(SimulationError, match="panda_push has no state 'blok_position', did you mean"):
        simulator.measured("blok_position")
    simulator.close()


def test_the_same_seed_explores_identically():
    simulator = MujocoSimulator(load_scene("sim/panda_reach.py"))
    first, second = (explore(simulator, seed=5, steps=4) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.action, second.action)
    simulator.close()


def test_an_existing_folder_is_not_overwritten(folder):
    with pytest.raises(DatasetError, match="exists already"):
        collect(CollectConfig(scene="sim/panda_reach.py", episodes=1), folder)


class Counter:
    """An explorer without a simulator: its frames are the seed, odd seeds end early, every third fails."""

    environment = SimpleNamespace(
        cameras=("front",),
        image_size=(2, 2),
        control_dt_s=0.1,
        action=ActionSpec(names=("key",), units=("",), low=(0.0,), high=(2.0,), choices=3),
    )
    state = (Quantity(name="seed", size=1, unit=""),)
    signals = (REWARD,)
    reason = "multiple_of_3"

    def episode(self, seed, steps):
        if not seed % 3:
            return None
        count = 1 + (steps // 2 if seed % 2 else steps)
        return Episode(
            images=np.full((count, 1, 2, 2, 3), seed % 256, np.uint8),
            state=np.full((count, 1), seed - COLLECTION_SEEDS, np.float32),
            action=np.ones((count, 1), np.float32),
            signals={"reward": np.arange(count, dtype=np.float32)},
        )


class Hopeless(Counter):
    def episode(self, seed, steps):
        return None


@pytest.fixture
def counter(monkeypatch):
    monkeypatch.setattr(sys.modules["wm_planner.collection.collect"], "explorer_of", lambda scene: Counter())


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_an_interrupted_collection_continues_with_the_same_bytes(tmp_path, counter):
    config = CollectConfig(scene="counter", episodes=20, steps=4, jobs=1)
    meta = collect(config, tmp_path / "whole")
    assert meta.seeds_tried == 20 + meta.rejected["multiple_of_3"]
    assert (meta.frames, meta.action_choices) == (sum(3 if s % 2 else 5 for s in kept_seeds(20)), 3)

    def stop(kept):
        if kept >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(config, tmp_path / "parts", stop)
    assert (tmp_path / "parts.part").is_dir()
    collect(config, tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def kept_seeds(count):
    return [s for s in range(COLLECTION_SEEDS, COLLECTION_SEEDS + 2 * count) if s % 3][:count]


def test_a_collection_stops_when_all_episodes_are_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["wm_planner.collection.collect"], "explorer_of", lambda scene: Hopeless())
    with pytest.raises(DatasetError, match=r"counter: 64 of 64 episodes were rejected \(multiple_of_3\)"):
        collect(CollectConfig(scene="counter", jobs=1), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_number_of_processes_does_not_change_the_data(tmp_path):
    for jobs in (1, 2):
        config = CollectConfig(scene="sim/cartpole.py", episodes=10, steps=2, jobs=jobs)
        collect(config, tmp_path / str(jobs))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_a_corrupt_data_set_names_the_file_that_disagrees(folder, tmp_path):
    corrupt = tmp_path / "corrupt"
    corrupt.mkdir()
    for file in folder.iterdir():
        (corrupt / file.name).write_bytes(file.read_bytes())
    np.save(corrupt / "action.npy", np.zeros((4, 3), np.float32))
    with pytest.raises(
        DatasetError, match=r"action.npy: got float32 \(4, 3\), meta.yaml says float32 \(21, 3\)"
    ):
        EpisodeData.open(corrupt)


def test_a_folder_without_a_data_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="wm collect"):
        EpisodeData.open(tmp_path)


def test_an_unknown_quantity_is_named(folder):
    assert (folder / META_FILE).is_file()
    with pytest.raises(DatasetError, match="no state 'speed'"):
        EpisodeData.open(folder).quantity("speed")


OWN = """
from types import SimpleNamespace

import numpy as np

from wm_planner.collection import RandomExplorer
from wm_planner.config import Config
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.dataset import REWARD, TERMINATED
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult


class Point:
    scene = SimpleNamespace(
        name="point", cameras=("top",), image_size=(4, 5), control_dt_s=0.1,
        action=ActionSpec(names=("dx", "dy"), units=("m", "m"), low=(-0.1, 0.0), high=(0.1, 0.3)),
    )

    class Config(Config, frozen=True, kw_only=True):
        gain: float = 1.0

    def __init__(self, config):
        self.gain = config.gain

    def reset(self, seed):
        self.x = np.random.default_rng(seed).uniform(size=2)
        return self.observe()

    def step(self, command):
        self.x = self.x + self.gain * command
        over = bool(self.x[0] > 1.0)
        return StepResult(self.observe(), success=over, reward=float(self.x[0]), terminated=over)

    def observe(self):
        return Observation({"top": np.full((4, 5, 3), 7, np.uint8)}, {"position": self.x})


class PointExplorer(RandomExplorer):
    state = (Quantity(name="position", size=2, unit="m"),)
    signals = (REWARD, TERMINATED)


class ExploredPoint(Point):
    Explorer = PointExplorer
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file with simulators of a user's own, which is also a module; without its suffix."""
    (tmp_path / "own_points.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "own_points"


@pytest.mark.parametrize("name", ["own_points:ExploredPoint", "{file}.py:ExploredPoint"])
def test_a_simulator_of_ones_own_is_explored_by_its_explorer(own, tmp_path, name):
    scene = f"{name.format(file=own)},gain=2.0"
    meta = collect(CollectConfig(scene=scene, episodes=3, steps=9, jobs=1), tmp_path / "out")
    data = EpisodeData.open(tmp_path / "out")
    assert data.images.shape == (len(data.episode), 1, 4, 5, 3)
    assert (meta.scene, meta.rejected, meta.action_names) == (scene, {"rejected": 0}, ("dx", "dy"))
    assert np.all((data.action > [-0.1001, -0.0001]) & (data.action < [0.1001, 0.3001]))
    assert len(np.unique(data.action, axis=0)) > 9
    position, inside = data.quantity("position"), data.clip_starts(2)
    moved = position[inside + 1] - position[inside]
    np.testing.assert_allclose(moved, 2.0 * data.action[inside], atol=1e-6)
    over = data.signals["terminated"]  # of the transition that leads to the last frame of an episode
    np.testing.assert_array_equal(over[inside], position[inside + 1, 0] > 1)
    np.testing.assert_allclose(data.signals["reward"][inside], position[inside + 1, 0], rtol=1e-6)
    assert over.sum() == 3 - (np.bincount(data.episode) == 10)[-3:].sum() > 0


def test_a_simulator_without_an_explorer_is_refused_with_how_to_give_it_one(own):
    with pytest.raises(SimulationError, match=r"Point: the simulator has no explorer; give its class"):
        explorer_of(f"{own}.py:Point")
    with pytest.raises(PluginError, match="has no 'Poind', did you mean 'Point'"):
        explorer_of(f"{own}.py:Poind")


def test_a_class_derived_from_the_mujoco_simulator_is_explored_like_it(tmp_path):
    (tmp_path / "noisy.py").write_text(
        "from wm_planner.manipulation.simulation.exploration import ArmExplorer\n"
        "from wm_planner.simulation.mujoco import MujocoSimulator\n"
        "class Noisy(MujocoSimulator):\n    Explorer = ArmExplorer\n"
    )
    own = explorer_of(f"{tmp_path}/noisy.py:Noisy,scene=sim/panda_reach.py").episode(2, 2)
    shipped = explorer_of("sim/panda_reach.py").episode(2, 2)
    np.testing.assert_array_equal(own.action, shipped.action)
    np.testing.assert_array_equal(own.images, shipped.images)


def test_a_data_set_tells_that_actions_are_set_points():
    for absolute in (False, True):
        action = ActionSpec(names=("a",), units=("rad",), low=(-1.0,), high=(1.0,), absolute=absolute)
        scene = SimpleNamespace(cameras=(), image_size=(0, 0), control_dt_s=0.1, action=action)
        explorer = SimpleNamespace(environment=scene, state=(), signals=())
        meta = meta_of("arm", explorer, episodes=1, steps=1, seed=0)
        assert meta.action == action
        assert ("action_absolute" in meta.builtins()) == absolute
