import numpy as np
import pytest
from mcap_ros2._dynamic import generate_dynamic
from toys import joint_state, picture

from wm_planner.driving.bridges.messages import drive_message, odometry_message
from wm_planner.errors import MessagingError
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m


def samples() -> dict[str, m.Message]:
    """One message of every type in the table."""
    rng = np.random.default_rng(0)
    image = picture(1_234_567_891, 5, "front")
    pose = m.pose_stamped([1, 2, 3], [0, 0, 0, 1], 8, "world")
    path = m.Path(m.header(4, "world"), [pose, pose])
    status = m.DiagnosticStatus(1, "planner", "slow", "", [m.KeyValue("a", "1")])
    latent = m.Latent(
        header=m.header(5),
        goal_id=2**63,
        arrays=m.named_arrays({"z": rng.normal(size=(1, 7)).astype(np.float32), "é": np.zeros(0)}),
        surprise=float("nan"),
        episode_id=3,
        steps=np.array([4, 10], np.uint32),
    )
    plan = m.Plan(
        m.header(6), 1, ["dx", "dy"], ["m", "m"], 2, rng.normal(size=4).astype(np.float32), 0.2, 0, 1, False
    )
    info = m.PlanInfo(
        m.header(6),
        1,
        3,
        0.5,
        ["goal"],
        np.array([0.5]),
        0.25,
        np.zeros(2, np.float32),
        3,
        192,
        0.01,
        0.02,
        False,
        True,
        9,
        "none of 192 candidates had a finite cost",
    )
    episode = m.Episode(m.header(6), 3, 11, "ended", 30, 0.01, True, "", np.array([0.1, 0.2, 0.3]), -2.5)
    messages = [
        *(m.Clock(m.time(7)), image, joint_state(3), pose, path, latent, plan, info, episode),
        m.Goal(
            m.header(1),
            1,
            ["front"],
            [image],
            [pose.pose],
            path,
            m.named_arrays({"goal": np.ones(2)}),
            "lift it",
            np.zeros(0, np.uint32),
        ),
        m.Action(m.header(4), ["dx", "dy"], ["m", "m"], rng.normal(size=2).astype(np.float32), True),
        m.signal("observation", rng.normal(size=3), 4),
        m.joint_trajectory(["a", "b"], rng.normal(size=(3, 2)), 0.1, 4),
        m.DiagnosticArray(m.header(2), [status]),
        m.Objects(m.header(3, "map"), np.array([7]), ["car"], np.ones(2), np.arange(4.0), 1, np.arange(4.0)),
        m.Map(m.header(3, "map"), "<commonRoad/>", m.named_arrays({"0": np.eye(3, 2)}), np.array([4.5, 1.8])),
        odometry_message(np.array([1.0, 2.0, 0.5, 9.0]), 0.1, 3),
        m.Bool(data=True),
        drive_message(np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.5]), np.array([1.0, -0.25]), 0.5, 3),
    ]
    return {codec.type_of(message): message for message in messages}


def test_the_samples_cover_the_table():
    assert samples().keys() == {row.type for row in topics.TOPICS}


@pytest.mark.parametrize("type_name", sorted(samples()))
def test_the_bytes_are_those_of_rosbags_and_come_back_the_same(type_name):
    message = samples()[type_name]
    data = codec.encode(message)
    assert data == bytes(m.STORE.serialize_cdr(message, type_name))
    assert codec.encode(codec.decode(type_name, data)) == data


@pytest.mark.parametrize("type_name", sorted(samples()))
def test_an_independent_reader_decodes_the_bytes(type_name):
    message = samples()[type_name]
    decoded = generate_dynamic(type_name, m.definition(type_name))[type_name](codec.encode(message))
    assert_same(decoded, message)


def assert_same(decoded, message):
    if hasattr(message, "__msgtype__"):
        for name, _ in m.STORE.get_msgdef(message.__msgtype__).fields:
            assert_same(getattr(decoded, name), getattr(message, name))
    elif isinstance(message, np.ndarray):
        assert np.array_equal(
            np.frombuffer(decoded, message.dtype) if isinstance(decoded, bytes) else decoded, message
        )
    elif isinstance(message, list):
        assert len(decoded) == len(message)
        for one, other in zip(decoded, message, strict=True):
            assert_same(one, other)
    else:
        assert decoded == message or message != message


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "kamera-ü"])
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "16UC1"])
def test_the_fast_path_of_images_is_right_for_every_alignment(frame_id, encoding):
    message = picture(2**31 * 1_000_000_000 - 1, 3, frame_id)
    message.encoding = encoding
    data = codec.encode(message)
    assert data == bytes(m.STORE.serialize_cdr(message, "sensor_msgs/msg/Image"))
    back = codec.decode("sensor_msgs/msg/Image", data)
    reference = m.STORE.deserialize_cdr(data, "sensor_msgs/msg/Image")
    assert_same(back, reference)


def test_a_reused_encoder_does_not_mix_up_images():
    encoder = codec.Encoder()
    for message in (picture(1), picture(2), picture(3, 16, "side"), joint_state(4), picture(5)):
        assert encoder.encode(message) == codec.encode(message)


def test_a_picture_is_decoded_without_a_copy():
    data = codec.encode(picture(0, 64))
    assert np.shares_memory(codec.decode("sensor_msgs/msg/Image", data).data, np.frombuffer(data, np.uint8))


def test_the_stamp_is_read_without_decoding():
    assert codec.peek_stamp_ns(codec.encode(joint_state(12_345_678_901))) == 12_345_678_901
    with pytest.raises(MessagingError, match="3 bytes hold no stamp"):
        codec.peek_stamp_ns(b"abc")


@pytest.mark.parametrize("type_name", sorted(samples()))
def test_truncated_and_hostile_bytes_raise_an_error_and_never_crash(type_name):
    whole = codec.encode(samples()[type_name])
    rng = np.random.default_rng(len(whole))
    for case in range(300):
        data = bytearray(whole)
        if case % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            at = rng.integers(4, len(data), size=1 + case % 4)
            for position in at:
                data[position] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        try:
            codec.decode(type_name, bytes(data))
        except MessagingError as error:
            assert type_name in str(error)


def test_a_length_of_four_gigabytes_is_refused_before_memory_is_allocated():
    data = bytearray(codec.encode(picture(0)))
    data[-8 * 8 * 3 - 4 : -8 * 8 * 3] = b"\xff\xff\xff\xff"
    with pytest.raises(MessagingError, match="declare 4294967295 pixel bytes and hold 192"):
        codec.decode("sensor_msgs/msg/Image", bytes(data))


def test_a_field_of_the_wrong_type_is_reported():
    message = joint_state(0)
    message.position = message.position.astype(np.float32)
    with pytest.raises(MessagingError, match="position is an array of float32, wanted float64"):
        codec.encode(message)
    message.position = [1.0]
    with pytest.raises(MessagingError, match="position is list, wanted a numpy array of float64"):
        codec.encode(message)
    image = picture(0)
    image.data = image.data.astype(np.int16)
    with pytest.raises(MessagingError, match="data is an array of int16, wanted uint8"):
        codec.encode(image)


def test_objects_without_a_message_type_are_reported():
    with pytest.raises(MessagingError, match="got dict, wanted a message"):
        codec.encode({})
    with pytest.raises(MessagingError, match="did you mean 'sensor_msgs/msg/Image'"):
        codec.decode("sensor_msgs/msg/Imge", b"\0\1\0\0")


def test_an_unknown_topic_is_answered_with_the_closest_one():
    assert topics.find("/camera/wrist/image_raw").type == "sensor_msgs/msg/Image"
    with pytest.raises(MessagingError, match="did you mean '/plan_info'"):
        topics.find("/plan_inf")
