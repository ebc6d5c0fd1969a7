import numpy as np
import pytest
from mcap_ros2._dynamic import generate_dynamic

from wm_planner.errors import MessagingError, ShapeError
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image, image_array


def test_stamps_survive_a_header():
    for stamp in (0, 1, 999_999_999, 1_000_000_000, 1_763_712_000_123_456_789):
        assert m.stamp_ns(m.joint_state([], [], stamp)) == stamp


def test_a_clock_has_a_stamp_without_a_header():
    assert m.stamp_ns(m.Clock(m.time(1_500_000_000))) == 1_500_000_000


def test_the_pixels_of_an_image_are_a_view():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    message = image(pixels, 5, "side")
    assert (message.height, message.width, message.step) == (4, 6, 18)
    back = image_array(message)
    assert np.array_equal(back, pixels) and np.shares_memory(back, message.data)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_an_image_of_the_wrong_shape_or_type_is_refused(pixels):
    with pytest.raises(ShapeError, match=r"wanted \(H, W, 3\) uint8"):
        image(pixels, 0)


def test_an_image_message_whose_sizes_disagree_is_refused():
    message = image(np.zeros((2, 2, 3), np.uint8), 0, "front")
    message.height = 3
    with pytest.raises(ShapeError, match="'front' declares"):
        image_array(message)
    message.encoding = "yuv422"
    with pytest.raises(ShapeError, match="is 'yuv422', wanted one of rgb8, bgr8"):
        image_array(message)


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        np.arange(8, dtype=np.uint8).reshape(2, 4, 1),
        np.linspace(0, 9, 8, dtype=np.float32).reshape(2, 4, 1),
    ],
)
def test_colours_grey_and_depth_survive_a_message(pixels):
    back = image_array(image(pixels, 0))
    assert back.dtype == pixels.dtype and np.array_equal(back, pixels)


def raw(encoding, rows, step, is_bigendian=0):
    """A message of 2 x 2 pixels whose rows of bytes are padded to `step`."""
    padded = b"".join(bytes(row).ljust(step, b"?") for row in rows)
    return m.Image(m.header(0, "front"), 2, 2, encoding, is_bigendian, step, np.frombuffer(padded, np.uint8))


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (raw("rgb8", [range(6), range(6, 12)], 8), np.arange(12).reshape(2, 2, 3)),
        (raw("bgr8", [range(6), range(6, 12)], 6), np.arange(12).reshape(2, 2, 3)[:, :, ::-1]),
        (raw("rgba8", [range(8), range(8, 16)], 8), np.arange(16).reshape(2, 2, 4)[:, :, :3]),
        (raw("bgra8", [range(8), range(8, 16)], 9), np.arange(16).reshape(2, 2, 4)[:, :, 2::-1]),
        (raw("8UC1", [range(2), range(2, 4)], 2), np.arange(4).reshape(2, 2, 1)),
    ],
)
def test_other_orders_of_colours_and_padded_rows_are_read(message, wanted):
    assert np.array_equal(image_array(message), wanted)


@pytest.mark.parametrize("is_bigendian", [0, 1])
def test_depth_is_in_metres_and_zero_where_nothing_was_measured(is_bigendian):
    order = ">" if is_bigendian else "<"
    millimetres = np.array([[0, 1500], [250, 65535]], f"{order}u2")
    message = raw("16UC1", [row.tobytes() for row in millimetres], 6, is_bigendian)
    assert np.allclose(image_array(message)[:, :, 0], [[0, 1.5], [0.25, 65.535]])
    metres = np.array([[np.nan, 1.5], [np.inf, 2]], f"{order}f4")
    message = raw("32FC1", [row.tobytes() for row in metres], 8, is_bigendian)
    assert np.array_equal(image_array(message)[:, :, 0], [[0, 1.5], [0, 2]])


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
