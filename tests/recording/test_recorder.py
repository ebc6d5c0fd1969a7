import errno
import os
import resource

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from toys import joint_state, picture

from wm_planner.clock import ManualClock, WallClock, nanoseconds
from wm_planner.errors import RecordingError
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image, image_array
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.player import Player
from wm_planner.recording.recorder import Recorder

IMAGE = "/camera/front/image_raw"


def delivery(topic: str, message: m.Message, sequence: int, publisher: int = 1) -> Delivery:
    """A message as the bus would hand it over."""
    envelope = Envelope(sequence, 0, 0, publisher, 0)
    return Delivery(topic, codec.type_of(message), envelope, codec.encode(message))


@pytest.fixture
def recording(tmp_path):
    """Ten ticks of two topics, closed."""
    recorder = Recorder(tmp_path / "run" / "all.mcap", WallClock())
    (tmp_path / "card.yaml").write_text("family: toy")
    recorder.attach(tmp_path / "card.yaml")
    for tick in range(1, 11):
        recorder.write(delivery("/joint_states", joint_state(tick), tick))
        recorder.write(delivery(IMAGE, picture(tick), tick))
    recorder.close({"mode": "lockstep"})
    return recorder.path


def test_a_recording_is_read_as_it_was_written(recording):
    player = Player(recording)
    assert player.is_complete
    assert player.topics == (IMAGE, "/joint_states") and player.counts == {IMAGE: 10, "/joint_states": 10}
    assert player.metadata["mode"] == "lockstep" and player.metadata["gaps"] == "0"
    assert player.attachments == {"card.yaml": b"family: toy"}
    stamps = [(recorded.topic, recorded.stamp_ns) for recorded in player.messages()]
    assert stamps == [(topic, tick) for tick in range(1, 11) for topic in ("/joint_states", IMAGE)]
    (first, *_) = player.messages([IMAGE])
    assert first.data == codec.encode(picture(1))
    assert np.array_equal(image_array(first.message), image_array(picture(1)))


def test_only_the_topics_asked_for_are_read(recording):
    assert [*Player(recording).messages([])] == []


def test_an_independent_reader_decodes_it(recording):
    with recording.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        decoded = list(reader.iter_decoded_messages())
    assert len(decoded) == 20
    for schema, channel, record, message in decoded:
        assert (schema.encoding, channel.message_encoding) == ("ros2msg", "cdr")
        assert message.header.stamp.nanosec == record.sequence
    assert bytes(decoded[1][3].data) == picture(1).data.tobytes()


@pytest.mark.parametrize("publish_ns", [-(2**63), -1, 2**63 - 1])
def test_a_publisher_with_an_impossible_clock_does_not_end_the_recording(tmp_path, publish_ns):
    recorder, good = Recorder(tmp_path / "a.mcap", WallClock()), delivery(IMAGE, picture(1), 1)
    recorder.write(good._replace(envelope=Envelope(1, 0, publish_ns, 1, 0)))
    recorder.write(good)
    recorder.close()
    with recorder.path.open("rb") as stream:
        assert len(list(make_reader(stream).iter_messages())) == 2


def test_missing_messages_are_counted_for_each_publisher(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", WallClock())
    for sequence, publisher in ((4, 1), (5, 1), (1, 2), (8, 1), (2, 2), (5, 2)):
        recorder.write(delivery("/joint_states", joint_state(1), sequence, publisher))
    recorder.close()
    player = Player(recorder.path)
    assert recorder.gaps == player.gaps == {"/joint_states": 4}
    assert player.metadata["gaps"] == "4" and player.metadata["messages /joint_states"] == "6"


def test_a_recording_without_its_end_is_read_up_to_the_last_whole_chunk(recording, tmp_path):
    recorder = Recorder(tmp_path / "torn.mcap", WallClock())
    for tick in range(1, 41):
        recorder.write(delivery(IMAGE, noise(tick), tick))  # 0.2 MB each, a chunk is 1 MB
    whole = recorder.path.stat().st_size
    assert len(list(Player(recorder.path).messages())) == 36
    for cut in (whole - 1, whole // 2, whole // 2 + 7, 100, 9):
        recorder.path.write_bytes(recorder.path.read_bytes()[:cut])
        player = Player(recorder.path)
        found = [recorded.stamp_ns for recorded in player.messages()]
        assert not player.is_complete and found == list(range(1, len(found) + 1))
        assert all(recorded.message.width == 256 for recorded in player.messages())


def noise(stamp_ns: int) -> m.Message:
    """A picture that does not compress."""
    rng = np.random.default_rng(stamp_ns)
    return image(rng.integers(0, 256, (256, 256, 3), np.uint8), stamp_ns)


def test_a_message_is_on_the_disk_after_a_second(tmp_path):
    clock = ManualClock()
    recorder = Recorder(tmp_path / "all.mcap", clock)
    for tick in range(1, 8):
        clock.set_ns(nanoseconds(0.3 * tick))
        recorder.write(delivery("/joint_states", joint_state(tick), tick))
    player = Player(recorder.path)  # as after a crash
    assert not player.is_complete and player.counts["/joint_states"] == 4


@pytest.fixture
def small_disk():
    """Files of this process can take a megabyte and a half."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_a_readable_recording(tmp_path, small_disk):
    recorder = Recorder(tmp_path / "all.mcap", WallClock())
    with pytest.raises(RecordingError, match=r"all\.mcap: writing failed after \d+ bytes .*is readable"):
        for tick in range(1, 100):
            recorder.write(delivery(IMAGE, noise(tick), tick))
    assert recorder.is_closed
    recorder.close()
    player = Player(recorder.path)
    assert player.is_complete and player.counts == {IMAGE: 6} and player.gaps[IMAGE] == 0
    with recorder.path.open("rb") as stream:
        assert (
            len(list(make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages())) == 6
        )


def test_a_disk_without_room_for_the_end_leaves_whole_records(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path / "all.mcap", WallClock())
    for tick in range(1, 11):
        recorder.write(delivery(IMAGE, noise(tick), tick))

    def full(file: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        recorder.close()
    monkeypatch.undo()
    player = Player(recorder.path)
    assert not player.is_complete and player.counts == {IMAGE: 6}


def test_an_existing_file_or_an_impossible_folder_is_refused(recording, tmp_path):
    with pytest.raises(RecordingError, match=r"all\.mcap: exists already; remove it"):
        Recorder(recording, WallClock())
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        Recorder(tmp_path / "file" / "all.mcap", WallClock())


def test_a_read_only_folder_is_refused(monkeypatch, tmp_path):
    def refuse(*arguments: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RecordingError, match=r"cannot be written \(Permission denied\); choose a folder"):
        Recorder(tmp_path / "all.mcap", WallClock())


def test_a_missing_attachment_is_reported(tmp_path):
    recorder = Recorder(tmp_path / "all.mcap", WallClock())
    with pytest.raises(RecordingError, match=r"card\.yaml: cannot be attached"):
        recorder.attach(tmp_path / "card.yaml")
    recorder.close()


def test_a_file_that_is_not_a_recording_is_reported(tmp_path, recording):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(RecordingError, match="text: not an MCAP recording"):
        Player(tmp_path / "text")
    with pytest.raises(RecordingError, match="cannot be read"):
        Player(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="no messages on '/joint_state', did you mean '/joint_states'"):
        list(Player(recording).messages(["/joint_state"]))


def test_a_type_that_is_defined_differently_is_refused(recording, monkeypatch):
    monkeypatch.setattr("wm_planner.messaging.older.definition", lambda name: "float64 other")
    with pytest.raises(RecordingError, match="is defined differently here"):
        list(Player(recording).messages())


def test_a_recorder_that_is_started_again_continues_in_another_file(bench, tmp_path, caplog):
    path = tmp_path / "episodes.mcap"
    path.write_text("the first part")
    (tmp_path / "episodes_2.mcap").write_text("the second")
    made = bench("recorder", path=str(path))
    made.node.cleanup()
    assert path.read_text() == "the first part" and Player(tmp_path / "episodes_3.mcap").is_complete
    assert f"{path} exists: recording to {tmp_path / 'episodes_3.mcap'}" in caplog.text
    made.node.recorder = None  # it is closed


def test_a_recorder_that_cannot_write_goes_on_without_and_says_so(bench, tmp_path, small_disk):
    made = bench("recorder", path=str(tmp_path / "episodes.mcap"))
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    for tick in range(20):
        made.deliver(IMAGE, image(noise + np.uint8(tick), tick, "front"))
    assert "recording has stopped: " in made.node.failure and "writing failed" in made.node.failure
    made.node._publish_diagnostics()
    [status] = made.take("/diagnostics")[-1].status
    assert status.level == m.DiagnosticStatus.ERROR and status.message.startswith("recording has stopped")
    with pytest.raises(RecordingError, match="the recording so far is readable"):
        made.node.cleanup()
    made.node.recorder, made.node.failure = None, ""
