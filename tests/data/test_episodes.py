import numpy as np
import pytest

from wm_planner.collection import CollectConfig, collect
from wm_planner.collection.base import explorer_of
from wm_planner.contracts.dataset import COLLECTION_SEEDS
from wm_planner.data.episodes import META_FILE, EpisodeData
from wm_planner.errors import DatasetError, SimulationError
from wm_planner.manipulation.simulation.exploration import explore
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "reach"
    collect(CollectConfig(scene="sim/panda_reach.py", episodes=3, steps=6, workers=1), folder)
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


def test_a_scene_with_other_actions_cannot_be_explored():
    simulator = MujocoSimulator(load_scene("sim/panda_pick.py"))
    with pytest.raises(SimulationError, match="actions of panda_pick are dx, dy, dz, opening"):
        explore(simulator, seed=5, steps=3)
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


def test_a_collection_that_fails_leaves_nothing_behind(tmp_path):
    def stop(kept):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(
            CollectConfig(scene="sim/panda_reach.py", episodes=1, steps=2, workers=1), tmp_path / "x", stop
        )
    assert not list(tmp_path.iterdir())


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


def test_a_simulator_without_an_explorer_is_refused_by_name():
    with pytest.raises(SimulationError, match=r"no explorer for the simulator '.*World', known: mujoco"):
        explorer_of("mine.py:World")
