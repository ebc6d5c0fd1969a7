import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.trajectories import MOST_VALUES, TYPE, Layout

NUMBERS = st.integers(0, 2**32 - 1)


def trajectory(seed: int, names: list[str], points: int, sizes: tuple[int, ...], frame_id: str) -> m.Message:
    """A trajectory of random numbers with `sizes` positions, velocities, accelerations and efforts."""
    rng = np.random.default_rng(seed)
    times = rng.integers(-(2**31), 2**31, points).tolist()
    listed = [
        m.JointTrajectoryPoint(*(rng.normal(size=size) for size in sizes), m.Duration(sec=sec, nanosec=step))
        for step, sec in enumerate(times)
    ]
    return m.JointTrajectory(m.header(int(rng.integers(2**60)), frame_id), names, listed)


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9), max_size=4
    ),
    points=st.integers(0, 4),
    sizes=st.tuples(*[st.integers(0, 3)] * 4),
    frame_id=st.sampled_from(["", "a", "ab", "abc", "abcd", "wörld"]),
    seed=NUMBERS,
)
def test_written_and_read_by_a_template_is_the_same_as_by_the_type_store(
    names, points, sizes, frame_id, seed
):
    encoder = codec.Encoder()
    for each in (seed, seed, seed, seed + 1):
        message = trajectory(each, names, points, sizes, frame_id)
        data = bytes(encoder.encode(message))
        assert data == bytes(m.STORE.serialize_cdr(message, TYPE))
        for _ in range(2):
            assert_same(codec.decode(TYPE, data), m.STORE.deserialize_cdr(data, TYPE))


def assert_same(message, reference):
    assert (message.header, message.joint_names) == (reference.header, reference.joint_names)
    for point, other in zip(message.points, reference.points, strict=True):
        assert point.time_from_start == other.time_from_start
        for name in ("positions", "velocities", "accelerations", "effort"):
            array, wanted = getattr(point, name), getattr(other, name)
            assert array.dtype == wanted.dtype and np.array_equal(array, wanted)
            assert not array.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.float32),
        np.zeros(3, np.int64),
        np.zeros(3, ">f8"),
        np.zeros(4),
        np.zeros(6)[::2],
        np.zeros((3, 2)),
        [0.0, 0.0, 0.0],
        None,
    ],
)
def test_an_array_that_does_not_fit_the_template_is_treated_as_by_the_type_store(array):
    encoder = codec.Encoder()
    for _ in range(3):
        encoder.encode(trajectory(0, ["a"], 3, (3, 0, 0, 0), ""))
    message = trajectory(0, ["a"], 3, (3, 0, 0, 0), "")
    message.points[1].positions = array
    try:
        wanted = bytes(m.STORE.serialize_cdr(message, TYPE))
    except Exception:
        with pytest.raises(MessagingError, match="JointTrajectory cannot be encoded"):
            encoder.encode(message)
    else:
        assert bytes(encoder.encode(message)) == wanted


def test_bytes_of_the_same_size_but_other_names_or_lengths_are_read_as_they_are():
    first = trajectory(1, ["aa", "b"], 3, (2, 0, 0, 0), "f")
    others = [
        trajectory(1, ["a", "bb"], 3, (2, 0, 0, 0), "f"),
        trajectory(1, ["aa", "b"], 3, (0, 2, 0, 0), "f"),
        trajectory(1, ["aa", "b"], 3, (2, 0, 0, 0), "g"),
    ]
    for message in (first, first, *others, first):
        data = codec.encode(message)
        assert_same(codec.decode(TYPE, data), m.STORE.deserialize_cdr(data, TYPE))


def test_a_receiver_that_changes_a_message_does_not_change_the_next_one():
    data = codec.encode(trajectory(2, ["a", "b"], 2, (2, 0, 0, 0), ""))
    for _ in range(3):
        message = codec.decode(TYPE, data)
        assert message.joint_names == ["a", "b"]
        message.joint_names.clear()
        message.points[0].time_from_start.sec = 7


def test_huge_and_uneven_trajectories_have_no_template():
    assert Layout.of(trajectory(0, [], 2, (MOST_VALUES, 0, 0, 0), "")) is None
    uneven = trajectory(0, [], 2, (2, 0, 0, 0), "")
    uneven.points[1].positions = np.zeros(3)
    assert Layout.of(uneven) is None
    assert codec.encode(uneven) == bytes(m.STORE.serialize_cdr(uneven, TYPE))
