"""One contract for every form of a data set."""

import copy
import importlib.util

import msgspec
import numpy as np
import pytest
from moving_dot import meta_of, write, write_uneven

from wm_planner.contracts.dataset import Signal
from wm_planner.data.forms import episode_at, form_of, open_dataset, writer
from wm_planner.errors import DatasetError

HAS_AV = importlib.util.find_spec("av") is not None
LEROBOT = pytest.param("lerobot", marks=pytest.mark.skipif(not HAS_AV, reason="needs the extra `data`"))
FORMS = ["folder", "npz", LEROBOT]


def copied(data, path, form):
    with writer(path, data.meta, form) as out:
        for index in range(data.meta.episodes):
            out.add(episode_at(data, index))
        out.finish(data.meta.seeds_tried, data.meta.rejected)
    return open_dataset(path)


def test_the_extra_data_is_there_to_test_lerobot_data_sets(skip_loudly):
    if not HAS_AV:
        skip_loudly("no PyAV: LeRobot data sets are not tested; pip install -e '.[data]'")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [write, write_uneven])
def test_a_data_set_is_the_same_in_every_form(tmp_path, form, make):
    source = make(tmp_path / "source", seed=3)
    data = copied(source, tmp_path / "copy", form)
    assert form_of(tmp_path / "copy") == form
    assert data.meta == source.meta
    np.testing.assert_array_equal(data.episode, source.episode)
    for name in ("images", "state", "action", *(signal.name for signal in source.meta.signals)):
        whole = data.read(name, slice(None))
        assert whole.dtype == source.read(name, slice(None)).dtype
        np.testing.assert_array_equal(whole, source.read(name, slice(None)))
        for rows in (slice(5, 8), slice(2, 17), slice(0, 1), slice(6, 7), slice(4, 4)):
            np.testing.assert_array_equal(data.read(name, rows), source.read(name, rows))
    with pytest.raises(DatasetError, match="has no 'imges'"):
        data.read("imges", slice(0, 1))


@pytest.mark.parametrize("form", FORMS)
def test_the_checksum_stays_when_a_data_set_moves_and_differs_between_data_sets(tmp_path, form):
    first = copied(write_uneven(tmp_path / "a"), tmp_path / "first", form)
    other = copied(write_uneven(tmp_path / "b", lengths=(4, 4)), tmp_path / "other", form)
    before = first.checksum
    (tmp_path / "first").rename(tmp_path / "moved")
    assert open_dataset(tmp_path / "moved").checksum == before != other.checksum


@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_writing_leaves_nothing(tmp_path, form):
    source = write(tmp_path / "source", seed=0, episodes=2)
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "x", source.meta, form) as out:
        out.add(episode_at(source, 0))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("form", FORMS)
def test_an_episode_that_does_not_fit_is_refused(tmp_path, form):
    source = write(tmp_path / "source", seed=0, episodes=1)
    meta = msgspec.structs.replace(source.meta, image_size=(8, 8))
    with (
        pytest.raises(DatasetError, match="images of episode 0 is uint8"),
        writer(tmp_path / "x", meta, form) as out,
    ):
        out.add(episode_at(source, 0))


@pytest.mark.parametrize("form", FORMS)
def test_a_data_set_without_cameras_or_states(tmp_path, form):
    meta = msgspec.structs.replace(meta_of(0, 1, 2), cameras=(), state=(), signals=(Signal(name="key"),))
    source = write(tmp_path / "source", seed=0, episodes=1, steps=2)
    episode = episode_at(source, 0)
    import dataclasses

    bare = dataclasses.replace(
        episode,
        images=episode.images[:, :0],
        state=episode.state[:, :0],
        signals={"key": np.arange(3, dtype=np.float32)},
    )
    with writer(tmp_path / "x", meta, form) as out:
        out.add(bare)
        out.finish(1, {})
    data = open_dataset(tmp_path / "x")
    assert data.read("images", slice(0, 2)).shape == (2, 0, 16, 16, 3)
    assert data.read("state", slice(0, 2)).shape == (2, 0)
    assert data.read("key", slice(None)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["state", "action", "reward"])
def test_a_value_that_is_not_finite_is_not_written(tmp_path, form, name):
    source = write_uneven(tmp_path / "source")
    episode = copy.deepcopy(episode_at(source, 1))  # its arrays are mapped read-only
    episode.arrays[name][2] = np.nan
    with (
        pytest.raises(DatasetError, match=rf"x: {name} of episode 1, frame 2 is not finite: .*nan"),
        writer(tmp_path / "x", source.meta, form) as out,
    ):
        out.add(episode_at(source, 0))
        out.add(episode)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_lerobot_data_set_without_its_description_is_not_taken_for_another_form(tmp_path):
    (tmp_path / "x" / "meta").mkdir(parents=True)
    assert form_of(tmp_path / "x") == "lerobot"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_cut_or_missing_archive_is_named(tmp_path):
    copied(write_uneven(tmp_path / "a"), tmp_path / "x", "npz")
    cut(tmp_path / "x" / "episodes" / "000001.npz")
    with pytest.raises(DatasetError, match=r"000001\.npz: action cannot be read .* it is cut or damaged"):
        open_dataset(tmp_path / "x")
    (tmp_path / "x" / "episodes" / "000001.npz").unlink()
    with pytest.raises(DatasetError, match=r"2 archives in episodes/, meta.yaml says 3 episodes"):
        open_dataset(tmp_path / "x")
