import msgspec
import numpy as np
import pytest
from moving_dot import meta_of, write, write_uneven

from wm_planner.contracts.dataset import Episode
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.data.episodes import EpisodeData
from wm_planner.data.validation import validated
from wm_planner.errors import DatasetError


def changed(data, name, row, value):
    array = np.load(data.path / f"{name}.npy", mmap_mode="r+")
    array[row] = value
    array.flush()
    return EpisodeData.open(data.path)


def test_data_without_faults_pass(tmp_path):
    assert validated(write_uneven(tmp_path / "dots")) == ()


@pytest.mark.parametrize(("name", "value"), [("action", np.nan), ("state", -np.inf), ("reward", np.nan)])
def test_a_value_that_is_not_finite_is_named_with_its_episode_and_frame(tmp_path, name, value):
    data = changed(write_uneven(tmp_path / "dots"), name, 4 + 7, value)
    with pytest.raises(DatasetError, match=f"dots: {name} of episode 1, frame 7 is not finite"):
        validated(data)


def test_actions_outside_of_their_bounds_are_warned_of_with_their_share(tmp_path):
    data = changed(write(tmp_path / "dots", seed=0, episodes=4, steps=4), "action", [0, 5], [0.0, 0.15, 0.0])
    (warning,) = validated(data)
    assert "dots: 10.0% of the actions lie outside of their bounds, dy by up to 100%" in warning


def test_actions_without_bounds_pass(tmp_path):
    infinite = {"action_low": (-np.inf,) * 3, "action_high": (np.inf,) * 3}
    data = write(tmp_path / "dots", seed=0, episodes=1)
    object.__setattr__(data, "meta", msgspec.structs.replace(data.meta, **infinite))
    assert validated(data) == ()


@pytest.mark.parametrize("action", [0.5, 3.0, -1.0])
def test_a_discrete_action_that_does_not_exist_is_refused(tmp_path, action):
    one = {"action_names": ("key",), "action_units": ("",), "action_low": (0.0,), "action_high": (2.0,)}
    meta = msgspec.structs.replace(meta_of(0, 1, 2), action_choices=3, **one)
    with EpisodeWriter(tmp_path / "keys", meta) as writer:
        actions = np.array([[2.0], [action], [0.0]], np.float32)
        writer.add(Episode(np.zeros((3, 2, 16, 16, 3), np.uint8), np.zeros((3, 4), np.float32), actions))
        writer.finish(1, {})
    with pytest.raises(DatasetError, match="action of episode 0, frame 1 is not one of the 3 choices"):
        validated(EpisodeData.open(tmp_path / "keys"))


def with_quantities(data, **changes):
    """The data set as if its state were described by other quantities."""
    state = tuple(msgspec.structs.replace(each, **changes.get(each.name, {})) for each in data.meta.state)
    object.__setattr__(data, "meta", msgspec.structs.replace(data.meta, state=state))
    return data


def test_states_outside_of_their_bounds_are_warned_of_with_their_share(tmp_path):
    data = changed(write(tmp_path / "dots", seed=0, episodes=4, steps=4), "state", [0, 5], [0.5, 0, 0, 7.0])
    bounds = {"low": (None, None, -1.0), "high": (3.0,)}
    (warning,) = validated(with_quantities(data, tcp_position=bounds))
    assert "dots: 10.0% of the values of tcp_position[2] lie outside of -1 to 3, they reach" in warning
    assert "to 7: a model that is trained on them has no such bounds" in warning


@pytest.mark.parametrize("label", [0.5, 2.0, -1.0])
def test_a_label_that_does_not_exist_is_named_with_its_episode_and_frame(tmp_path, label):
    data = write(tmp_path / "dots", seed=0, episodes=2, steps=4)
    changed(data, "state", slice(None), 1.0)
    assert validated(with_quantities(data, mass={"choices": 2})) == ()
    wrong = changed(data, "state", 7, [label, 0, 0, 0])
    with pytest.raises(DatasetError, match=r"state of episode 1, frame 2 holds a label of mass\[0\] that"):
        validated(with_quantities(wrong, mass={"choices": 2}))


@pytest.mark.parametrize(("largest", "is_warned"), [(0.08, True), (1.0, False)])
def test_a_gripper_in_metres_is_warned_of(tmp_path, largest, is_warned):
    pose = Quantity(name="tcp_pose", size=4, unit="m, share closed")
    meta = msgspec.structs.replace(meta_of(0, 1, 2), state=(pose,))
    with EpisodeWriter(tmp_path / "grips", meta) as writer:
        state = np.array([[0.5, 0, 0.2, 0.0], [0.5, 0, 0.2, largest], [0.5, 0, 0.2, 0.0]], np.float32)
        writer.add(Episode(np.zeros((3, 2, 16, 16, 3), np.uint8), state, np.zeros((3, 3), np.float32)))
        writer.finish(1, {})
    warnings = validated(EpisodeData.open(tmp_path / "grips"))
    assert len(warnings) == is_warned
    if is_warned:
        assert (
            "grips: tcp_pose[3] lies between 0 and 0.08, its unit is share closed: is it in m?" in warnings[0]
        )
