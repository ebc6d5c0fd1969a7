import threading

import pytest
from toys import joint_state, receive

from wm_planner.clock import ManualClock, nanoseconds
from wm_planner.errors import MessagingError, RecordingError
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.declarations import declare
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.playback import Playback
from wm_planner.recording.recorder import Recorder


@pytest.fixture
def recording(tmp_path):
    """Five joint states 10 ms apart, and as many messages of a topic of its own."""
    Level = declare("/level", "tests_msgs/msg/Level", "std_msgs/Header header\nfloat64 metres\n")
    clock = ManualClock()
    recorder = Recorder(tmp_path / "a.mcap", clock)
    for tick in range(1, 6):
        clock.set_ns(tick * nanoseconds(0.01))
        for topic, message in {
            "/joint_states": joint_state(tick),
            "/level": Level(m.header(tick), 2.0),
        }.items():
            envelope = Envelope(tick, 0, 0, 1, 0)
            recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))
    recorder.close()
    return recorder.path


def test_a_recording_is_published_again_with_its_bytes_and_pace(peers, recording):
    reader = peers.join("reader", subscribes="/joint_states /level")
    bus = peers.add("player")
    playback = Playback(recording, bus)
    reader.refresh()
    playback.wait_for_reader()
    began_ns = bus.clock.now_ns()
    thread = threading.Thread(target=playback.play, args=(1.0,))
    thread.start()
    received = [receive(reader) for _ in range(10)]
    thread.join()
    assert bus.clock.now_ns() - began_ns >= nanoseconds(0.04)
    assert [codec.peek_stamp_ns(delivery.data) for delivery in received[::2]] == [1, 2, 3, 4, 5]
    assert received[1].message().metres == 2.0
    assert bytes(received[0].data) == codec.encode(joint_state(1))


def test_only_some_topics_are_played_as_fast_as_they_are_read(peers, recording):
    reader = peers.join("reader", subscribes="/joint_states /level")
    playback = Playback(recording, peers.add("player"), ["/level"])
    reader.refresh()
    playback.wait_for_reader()
    assert playback.play(0.0) == 5
    assert {receive(reader).topic for _ in range(5)} == {"/level"}


def test_what_cannot_be_played_is_refused(peers, recording):
    with pytest.raises(RecordingError, match="no messages on '/levle', did you mean '/level'"):
        Playback(recording, peers.add("one"), ["/levle"])
    peers.join("robot", "/joint_states")
    with pytest.raises(MessagingError, match=r"another node of domain .* publishes /joint_states"):
        Playback(recording, peers.add("two"))
