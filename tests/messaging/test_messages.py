import numpy as np
import pytest
from mcap_ros2._dynamic import generate_dynamic

from wm_planner.errors import MessagingError, ShapeError
from wm_planner.messaging import messages as m


def test_stamps_survive_a_header():
    for stamp in (0, 1, 999_999_999, 1_000_000_000, 1_763_712_000_123_456_789):
        assert m.stamp_ns(m.joint_state([], [], stamp)) == stamp


def test_a_clock_has_a_stamp_without_a_header():
    assert m.stamp_ns(m.Clock(m.time(1_500_000_000))) == 1_500_000_000


def test_the_pixels_of_an_image_are_a_view():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    message = m.image(pixels, 5, "side")
    assert (message.height, message.width, message.step) == (4, 6, 18)
    back = m.image_array(message)
    assert np.array_equal(back, pixels) and np.shares_memory(back, message.data)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_an_image_of_the_wrong_shape_or_type_is_refused(pixels):
    with pytest.raises(ShapeError, match=r"wanted \(H, W, 3\) uint8"):
        m.image(pixels, 0)


def test_an_image_message_whose_sizes_disagree_is_refused():
    message = m.image(np.zeros((2, 2, 3), np.uint8), 0, "front")
    message.height = 3
    with pytest.raises(ShapeError, match="'front' declares"):
        m.image_array(message)
    message.encoding = "mono8"
    with pytest.raises(ShapeError, match="wanted 'rgb8'"):
        m.image_array(message)


def test_named_arrays_come_back_with_their_names_types_and_shapes():
    arrays = {
        "tokens": np.random.default_rng(0).normal(size=(1, 3, 4)).astype(np.float32),
        "step": np.array(7, np.int64),
        "mask": np.array([[True, False]]),
        "none": np.empty((0, 5), np.float64),
        "strided": np.arange(10, dtype=np.int32)[::2],
    }
    back = m.named_arrays_of(m.named_arrays(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        assert np.array_equal(back[name], array)


def test_arrays_of_objects_are_refused():
    with pytest.raises(ShapeError, match="type object"):
        m.named_arrays({"x": np.array([object()])})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dtype": "object"}, "has type 'object'"),
        ({"shape": np.array([2**31, 2**31], np.uint32)}, "but holds"),
    ],
)
def test_a_named_array_of_another_size_is_refused_before_memory_is_allocated(change, text):
    (message,) = m.named_arrays({"x": np.zeros(4, np.float32)})
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(MessagingError, match=text):
        m.named_arrays_of([message])


def test_a_joint_trajectory_reaches_its_first_point_after_one_period():
    message = m.joint_trajectory(["a", "b"], np.array([[1.0, 2.0], [3.0, 4.0]]), 0.2, 3)
    assert [point.time_from_start.nanosec for point in message.points] == [200_000_000, 400_000_000]
    assert message.points[1].positions.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("name", ["NamedArray", "Latent", "Goal", "Plan", "PlanInfo", "Episode"])
def test_the_definition_of_our_types_is_read_by_another_implementation(name):
    full = f"wm_planner_msgs/msg/{name}"
    assert full in generate_dynamic(full, m.definition(full))
    assert m.type_hash(full).startswith("RIHS01_")
