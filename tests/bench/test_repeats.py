"""Comparison of recordings of equal runs."""

import re

import pytest

from wm_planner.bench.measurements.repeats import check_whole, compared, repeat_table, run_repeatedly
from wm_planner.clock import WallClock
from wm_planner.errors import RecordingError
from wm_planner.launching.events import Event
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.parts import unused
from wm_planner.recording.recorder import Recorder


def recording(path, positions, first_sequence=1):
    """A recording, or its next file where `path` holds some."""
    recorder = Recorder(unused(path / "episodes.mcap"), WallClock())
    messages = [("/joint_states", m.joint_state(["a"], [position], 5)) for position in positions]
    messages.append(("/clock", m.Clock(m.time(7))))
    for number, (topic, message) in enumerate(messages, start=first_sequence):
        data = codec.encode(message)
        envelope = Envelope(number, 0, 0, 1, 2)
        recorder.write(Delivery(topic, codec.type_of(message), envelope, data))
    recorder.close()
    return recorder.path


def test_equal_recordings_are_equal_on_every_topic(tmp_path):
    rows = compared([recording(tmp_path / str(run), [1.0, 2.0]) for run in (1, 2, 3)])
    assert [(row.topic, row.messages, row.equal) for row in rows] == [
        ("/clock", 1, 3),
        ("/joint_states", 2, 3),
    ]
    assert not any(row.difference for row in rows)


def test_the_first_field_that_differs_is_named(tmp_path):
    runs = ([1.0, 2.0], [1.0, 2.0], [1.0, 2.5], [1.0])
    rows = compared([recording(tmp_path / str(number), run) for number, run in enumerate(runs, start=1)])
    assert [row.equal for row in rows] == [4, 2]
    assert rows[1].difference == "run 3, message 2, position[0]: 2.0, 2.5"


def test_another_number_of_messages_is_a_difference(tmp_path):
    rows = compared([recording(tmp_path / str(len(run)), run) for run in ([1.0, 2.0], [1.0])])
    assert rows[1].difference == "run 1: 2 and 1 messages"
    table = repeat_table(rows, "x", 2, 0)
    assert list(table.columns[2].cells) == ["2/2", "1/2"]


def test_a_recording_of_several_files_is_compared_as_one(tmp_path):
    recording(tmp_path / "1", [1.0, 2.0, 3.0])
    recording(tmp_path / "2", [1.0, 2.0])
    recording(tmp_path / "2", [3.0], first_sequence=4)
    rows = compared([tmp_path / run / "episodes.mcap" for run in ("1", "2")])
    assert [(row.topic, row.messages, row.equal) for row in rows][1:] == [("/joint_states", 3, 2)]


def killed_recorder(path, *positions):
    """What a recorder leaves that is killed within a second: its messages have not been written."""
    recorder = Recorder(path, WallClock())
    for number, position in enumerate(positions, start=1):
        message = m.joint_state(["a"], [position], 5)
        sent = Envelope(number, 0, 0, 1, 2)
        recorder.write(Delivery("/joint_states", codec.type_of(message), sent, codec.encode(message)))
    recorder._output.close()
    return path


def test_a_recording_without_messages_is_refused_with_what_happened_to_the_recorder(tmp_path):
    path = killed_recorder(tmp_path / "episodes.mcap", 1.0, 2.0)
    events = [
        Event(0.1, "recorder", "started", "process 7"),
        Event(9.0, "recorder", "killed", "did not end within 10 s"),
    ]
    wanted = "episodes.mcap: holds no messages, so this run cannot be compared (recorder killed: did not end"
    with pytest.raises(RecordingError, match=re.escape(wanted)):
        check_whole(path, events)


def test_a_recording_that_was_cut_off_is_refused(tmp_path):
    path = recording(tmp_path, [1.0])
    check_whole(path)
    killed_recorder(unused(path))
    with pytest.raises(RecordingError, match=r"was cut off.*no node was killed or started again"):
        check_whole(path)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # 40 episodes next to two busy processes: 254 s at a load of 8
def test_twenty_runs_under_load_are_byte_identical(tmp_path):
    rows = run_repeatedly("panda_reach", ["episodes=2"], runs=20, burners=2, folder=tmp_path)
    assert {"/latent", "/plan", "/plan_info", "/command", "/action"} <= {row.topic for row in rows}
    assert not [row for row in rows if row.equal < 20]
