import numpy as np
import pytest
import yaml
from moving_dot import meta_of, write, write_uneven

from wm_planner.contracts.dataset import Episode, Signal
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.data.episodes import EpisodeData, clip_starts, episode_rows
from wm_planner.errors import DatasetError


def episode(steps, value=0):
    count = steps + 1
    return Episode(
        images=np.full((count, 2, 16, 16, 3), value, np.uint8),
        state=np.full((count, 4), value, np.float32),
        action=np.zeros((count, 3), np.float32),
    )


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_arrays_have_the_bytes_of_numpys_own_memory_maps(tmp_path):
    data = write(tmp_path / "dots", seed=0, episodes=2)
    for name, (shape, dtype) in data.meta.shapes.items():
        array = np.lib.format.open_memmap(tmp_path / "own.npy", "w+", dtype, shape)
        array[:] = np.load(tmp_path / "dots" / f"{name}.npy")
        array.flush()
        assert (tmp_path / "own.npy").read_bytes() == (tmp_path / "dots" / f"{name}.npy").read_bytes()


def test_the_description_of_episodes_of_one_length_has_no_later_fields(tmp_path):
    write(tmp_path / "dots", seed=0, episodes=2)
    keys = list(yaml.safe_load((tmp_path / "dots" / "meta.yaml").read_text()))
    assert keys[-1] == "control_dt_s"


def test_episodes_of_any_length_with_signals(tmp_path):
    data = write_uneven(tmp_path / "dots")
    assert (data.meta.episodes, data.meta.steps, data.meta.frames) == (3, 9, 4 + 10 + 6)
    np.testing.assert_array_equal(np.bincount(data.episode), [4, 10, 6])
    assert episode_rows(data.episode, 1) == slice(4, 14)
    np.testing.assert_array_equal(clip_starts(data.episode, 6), [4, 5, 6, 7, 8, 14])
    assert data.read("terminated", slice(0, 4)).tolist() == [False, False, True, False]
    assert data.read("text", slice(4, 14)).shape == (10, 4)
    with pytest.raises(DatasetError, match="has no 'rewards', did you mean 'reward'"):
        data.read("rewards", slice(0, 1))


def test_a_signal_that_an_episode_lacks_or_has_in_another_shape_is_named(tmp_path):
    meta = meta_of(seed=0, episodes=1, steps=2)
    with EpisodeWriter(tmp_path / "x", meta) as writer:
        with pytest.raises(DatasetError, match=r"state of episode 0 is float32 \(3, 5\), wanted .* \(3, 4\)"):
            writer.add(Episode(episode(2).images, np.zeros((3, 5), np.float32), episode(2).action))
        with pytest.raises(DatasetError, match="there is no episode"):
            writer.finish(1, {})
        writer.add(episode(2))
        writer.finish(1, {})


def test_a_signal_cannot_be_called_like_an_array():
    with pytest.raises(ValueError, match="a signal is called 'action'"):
        Signal(name="action")


def test_an_interrupted_writing_continues_with_the_same_bytes(tmp_path):
    meta = meta_of(seed=0, episodes=3, steps=4)
    with EpisodeWriter(tmp_path / "whole", meta) as writer:
        for value in range(3):
            writer.add(episode(4 - value, value))
        writer.finish(3, {})
    with pytest.raises(KeyboardInterrupt), EpisodeWriter(tmp_path / "x", meta, resumable=True) as writer:
        writer.add(episode(4, 0))
        writer.save(1, {})
        writer.add(episode(1, 99))  # was not saved
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir() if path.name != "whole"] == ["x.part"]
    with pytest.raises(DatasetError, match=r"x is incomplete: its writing was interrupted \(see .*x\.part\)"):
        EpisodeData.open(tmp_path / "x")
    with EpisodeWriter(tmp_path / "x", meta, resumable=True) as writer:
        assert (writer.episodes, writer.seeds_tried) == (1, 1)
        writer.add(episode(3, 1))
        writer.add(episode(2, 2))
        writer.finish(3, {})
    assert contents(tmp_path / "x") == contents(tmp_path / "whole")


def test_an_interrupted_writing_with_other_settings_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with EpisodeWriter(tmp_path / "x", meta_of(0, 3, 4), resumable=True) as writer:
            writer.add(episode(4))
            writer.save(1, {})
            raise KeyboardInterrupt
    with (
        pytest.raises(DatasetError, match="begun with other settings: steps is 4 there, 5 now"),
        EpisodeWriter(tmp_path / "x", meta_of(0, 3, 5), resumable=True),
    ):
        raise AssertionError("nothing may be written")
    assert (tmp_path / "x.part").is_dir()


def test_a_file_that_was_cut_is_named(tmp_path):
    write(tmp_path / "dots", seed=0, episodes=2)
    file = tmp_path / "dots" / "images.npy"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"images\.npy: cannot be read"):
        EpisodeData.open(tmp_path / "dots")
