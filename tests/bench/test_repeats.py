"""Comparison of recordings of equal runs."""

import pytest

from wm_planner.bench.measurements.repeats import compared, repeat_table, run_repeatedly
from wm_planner.clock import WallClock
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder


def recording(path, positions, elapsed_s=0.0):
    recorder = Recorder(path / "episodes.mcap", WallClock())
    messages = [("/joint_states", m.joint_state(["a"], [position], 5)) for position in positions]
    messages.append(("/clock", m.Clock(m.time(7))))
    for number, (topic, message) in enumerate(messages, start=1):
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


@pytest.mark.slow
def test_twenty_runs_under_load_are_byte_identical(tmp_path):
    rows = run_repeatedly("panda_reach", ["episodes=2"], runs=20, burners=2, folder=tmp_path)
    assert {"/latent", "/plan", "/plan_info", "/command", "/action"} <= {row.topic for row in rows}
    assert not [row for row in rows if row.equal < 20]
