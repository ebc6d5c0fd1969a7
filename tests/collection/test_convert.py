import io
import itertools
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from moving_dot import write, write_uneven
from PIL import Image
from ros_bags import TOPICS, write_bag
from rosbags.rosbag2 import StoragePlugin

from wm_planner.clock import WallClock
from wm_planner.collection import recordings
from wm_planner.collection.convert import convert
from wm_planner.collection.pictures import picture_of
from wm_planner.collection.recordings import RecordedEpisodes
from wm_planner.collection.topic_map import TopicMap
from wm_planner.data.forms import episode_at, open_dataset
from wm_planner.errors import ConfigError, DatasetError, RecordingError
from wm_planner.messaging import codec, images
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder
from wm_planner.world_models.onnx.card_file import read_card


@pytest.fixture
def topics(tmp_path):
    (tmp_path / "topics.yaml").write_text(TOPICS)
    return TopicMap.read(tmp_path / "topics.yaml")


def quiet(done, total):
    pass


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_becomes_the_data_set_that_it_was_made_of(tmp_path, topics, storage):
    source = write(tmp_path / "source", seed=0, episodes=3, steps=5)
    bag = write_bag(tmp_path / "bag", source, storage)
    warnings = []
    meta = convert(bag, tmp_path / "out", "npz", topics, quiet, warnings.append)
    assert (meta.episodes, meta.steps, meta.control_dt_s) == (3, 5, 0.2)
    assert meta.action_high == source.meta.action_high
    data = open_dataset(tmp_path / "out")
    for name in ("images", "state", "action"):
        np.testing.assert_array_equal(data.read(name, slice(None)), source.read(name, slice(None)))
    assert len(warnings) == 1  # the frames of the pauses between the episodes
    assert "frames are left out" in warnings[0]


def test_a_single_mcap_file_is_a_recording_too(tmp_path, topics):
    source = write(tmp_path / "source", seed=0, episodes=1, steps=5)
    (file,) = write_bag(tmp_path / "bag", source).glob("*.mcap")
    (episode,) = RecordedEpisodes(file, topics)
    np.testing.assert_array_equal(episode.images, source.images)


def test_data_sets_are_converted_there_and_back(tmp_path):
    source = write_uneven(tmp_path / "source")
    convert(source.path, tmp_path / "npz", "npz", progress=quiet)
    convert(tmp_path / "npz", tmp_path / "back", "folder", progress=quiet)
    files = {file.name: file.read_bytes() for file in source.path.iterdir()}
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "back").iterdir()}


def test_a_data_set_is_not_converted_into_its_own_folder(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DatasetError, match=r"lies in the source.*choose a folder outside of it"):
        convert(tmp_path / "data", tmp_path / "data" / "sub", "npz")
    assert not list((tmp_path / "data").iterdir())


def test_a_damaged_source_leaves_nothing_behind(tmp_path):
    source = write_uneven(tmp_path / "source")
    convert(source.path, tmp_path / "npz", "npz", progress=quiet)
    (file,) = (tmp_path / "npz" / "episodes").glob("000002.npz")
    file.write_bytes(file.read_bytes().replace(b"\x93NUMPY", b"\x93NOMPY"))
    with pytest.raises(DatasetError, match=r"000002\.npz"):
        convert(tmp_path / "npz", tmp_path / "out", "folder", progress=quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npz", "source"]


def test_a_recording_needs_to_be_told_its_topics(tmp_path):
    bag = write_bag(tmp_path / "bag", write(tmp_path / "source", seed=0, episodes=1))
    with pytest.raises(ConfigError, match="say which topics to read, with --topics FILE"):
        convert(bag, tmp_path / "out", "npz")


def test_what_a_recording_lacks_is_named(tmp_path, topics):
    bag = write_bag(tmp_path / "bag", write(tmp_path / "source", seed=0, episodes=1))

    def problem(text):
        (tmp_path / "other.yaml").write_text(text)
        with pytest.raises(RecordingError) as error:
            convert(bag, tmp_path / "out", "npz", TopicMap.read(tmp_path / "other.yaml"))
        return str(error.value)

    assert "no messages on '/frnt/image', did you mean '/front/image'" in problem(
        TOPICS.replace("/front/image", "/frnt/image")
    )
    assert "no field 'displ'" in problem(TOPICS.replace("displacement", "displ"))
    assert "has 3 numbers, wanted 2" in problem(TOPICS.replace("size: 3", "size: 2"))
    assert "no two consecutive frames of 0.001 s" in problem(TOPICS.replace("0.2\n", "0.001\n"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("resized", "words"),
    [
        (
            lambda number, topic: topic == "/side/image",
            r"\{'/front/image': \(16, 16\), '/side/image': \(8, 8\)\}: write",
        ),
        (lambda number, topic: number > 7, r"/side/image': \(16, 16\)\}, later \{'/front/image': \(8, 8\)"),
    ],
    ids=["of two cameras", "in the course of a recording"],
)
def test_pictures_of_different_sizes_are_refused(tmp_path, topics, monkeypatch, resized, words):
    bag = write_bag(tmp_path / "bag", write(tmp_path / "source", seed=0, episodes=1))
    numbers = itertools.count()

    def picture(message, where):
        smaller = resized(next(numbers), where.split()[-1])
        return picture_of(message, where)[::2, ::2] if smaller else picture_of(message, where)

    monkeypatch.setattr("wm_planner.collection.recordings.picture_of", picture)
    with pytest.raises(RecordingError, match=f"pictures have different sizes, wanted the same: .*{words}"):
        convert(bag, tmp_path / "out", "npz", topics, quiet)
    assert not (tmp_path / "out").exists()


def test_a_cut_bag_is_refused(tmp_path, topics):
    (file,) = write_bag(tmp_path / "bag", write(tmp_path / "source", seed=0, episodes=4)).glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RecordingError, match="bag: cannot be read"):
        convert(tmp_path / "bag", tmp_path / "out", "npz", topics)
    with pytest.raises(RecordingError, match="no messages on"):
        convert(file, tmp_path / "out", "npz", topics)


OWN = """
control_dt_s: 0.2
cameras: {front: /camera/front/image_raw}
action: {topic: /signal/action, fields: [array], names: [dx, dy, dz], units: [m, m, m], low: [-1, -1, -1], high: [1, 1, 1]}
signals: [{signal: {name: reward}, topic: /signal/reward, fields: [array]}]
episode: /episode
"""  # noqa: E501


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A recording of our nodes, of three episodes without a pause, and the data set in it."""
    monkeypatch.setattr("wm_planner.recording.recorder._CHUNK_BYTES", 2048)
    data = write_uneven(tmp_path / "source")
    recorder = Recorder(tmp_path / "all.mcap", WallClock())

    def record(topic, message, row):
        envelope = Envelope(row, 0, 0, 1, 0)
        recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))

    for row, episode in enumerate(data.episode):
        stamp_ns = row * 200_000_000
        record("/camera/front/image_raw", images.image(data.images[row, 0], stamp_ns), row)
        record("/signal/action", m.signal("action", data.action[row], stamp_ns), row)
        earned = data.signals["reward"][row - 1 : row] if row else np.zeros(1, np.float32)
        record("/signal/reward", m.signal("reward", earned, stamp_ns), row)
        header, goal = m.header(stamp_ns), np.zeros(3)
        record("/episode", m.Episode(header, int(episode), 0, "running", 0, 0.0, False, "", goal, 0.0), row)
    recorder.close({})
    (tmp_path / "own.yaml").write_text(OWN)
    return tmp_path / "all.mcap", TopicMap.read(tmp_path / "own.yaml"), data


def test_episodes_are_separated_by_their_ids_and_rewards_follow_their_actions(own, tmp_path):
    recording, topics, source = own
    convert(recording, tmp_path / "out", "npz", topics, quiet)
    data = open_dataset(tmp_path / "out")
    np.testing.assert_array_equal(data.episode, source.episode)
    np.testing.assert_array_equal(data.read("reward", slice(None)), source.signals["reward"])
    np.testing.assert_array_equal(data.read("action", slice(None)), source.action)


def test_a_recording_that_was_cut_is_converted_up_to_the_cut(own, tmp_path):
    recording, topics, source = own
    recording.write_bytes(recording.read_bytes()[: recording.stat().st_size // 2])
    warnings = []
    meta = convert(recording, tmp_path / "out", "npz", topics, quiet, warnings.append)
    assert 1 <= meta.episodes <= 2
    assert "was cut off: only its whole part is converted" in warnings[0]
    np.testing.assert_array_equal(
        episode_at(open_dataset(tmp_path / "out"), 0).action, episode_at(source, 0).action
    )


def test_cameras_of_two_sizes_are_refused_before_anything_is_written_or_fitted(tmp_path, topics, monkeypatch):
    def smaller_at_the_side(message, where):
        picture = picture_of(message, where)
        return picture[:8] if "side" in where else picture

    source = write(tmp_path / "source", seed=0, episodes=1, steps=3)
    bag = write_bag(tmp_path / "bag", source)
    monkeypatch.setattr(recordings, "picture_of", smaller_at_the_side)
    with pytest.raises(RecordingError, match=r"'/side/image': \(8, 16\).*: write .* `image_size: \[240"):
        convert(bag, tmp_path / "out", "npz", topics, quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "source", "topics.yaml"]
    fitted = msgspec.structs.replace(topics, image_size=(8, 16), fit="stretch")
    meta = convert(bag, tmp_path / "out", "npz", fitted, quiet, lambda text: None)
    images = open_dataset(tmp_path / "out").read("images", slice(None))
    assert meta.image_size == images.shape[2:4] == (8, 16)
    np.testing.assert_array_equal(images[:, 1], source.images[:, 1, :8])


def test_the_map_of_a_card_reads_what_its_nodes_publish():
    topics = TopicMap.of_card(read_card(Path("models/bundles/panda_reach")))
    assert topics.cameras == {"front": "/camera/front/image_raw", "side": "/camera/side/image_raw"}
    assert [(each.topic, each.fields[0]) for each in topics.state] == [("/tcp_pose", "pose.position.x")]
    assert (topics.action.topic, topics.action.names) == ("/action", ("dx", "dy", "dz"))
    assert topics.episode == "/episode"


def test_grey_and_compressed_pictures_become_rgb_and_depth_is_refused():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    np.testing.assert_array_equal(picture_of(images.image(grey, 0), "x"), np.repeat(grey, 3, axis=-1))
    with pytest.raises(RecordingError, match=r"x: depth pictures \('32FC1'\)"):
        picture_of(images.image(grey.astype(np.float32), 0), "x")
    pytest.importorskip("av", reason="needs the extra `data`")
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(grey, 3, axis=-1)).save(buffer, "PNG")
    compressed = SimpleNamespace(format="png", data=np.frombuffer(buffer.getvalue(), np.uint8))
    np.testing.assert_array_equal(picture_of(compressed, "x"), np.repeat(grey, 3, axis=-1))
    with pytest.raises(DatasetError, match="x: a picture cannot be decoded"):
        picture_of(SimpleNamespace(format="jpeg", data=np.zeros(9, np.uint8)), "x")


def test_pictures_are_shrunk_by_area_averaging_and_nothing_else_changes(tmp_path):
    source = write(tmp_path / "source", seed=0, episodes=2, steps=3)
    meta = convert(source.path, tmp_path / "out", "folder", progress=quiet, shrink=4)
    small = open_dataset(tmp_path / "out")
    assert meta.image_size == (4, 4)
    whole = source.read("images", slice(None))
    means = whole.reshape(*whole.shape[:2], 4, 4, 4, 4, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(small.read("images", slice(None)), means, atol=0.5)
    for name in ("state", "action"):
        np.testing.assert_array_equal(small.read(name, slice(None)), source.read(name, slice(None)))


def test_pictures_that_do_not_divide_are_not_shrunk(tmp_path):
    source = write(tmp_path / "source", seed=0, episodes=1, steps=3)
    with pytest.raises(ConfigError, match="pictures of 16x16 pixels cannot be shrunk by 5"):
        convert(source.path, tmp_path / "out", "folder", progress=quiet, shrink=5)
    assert not (tmp_path / "out").exists()
