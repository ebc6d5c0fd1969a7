"""Damaged files and messages lead to the project's own errors, in bounded time.

`pytest tests/test_fuzzing.py -m slow` tries many more.
"""

import pickle
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
import zmq
from fuzzing import mutants
from moving_dot import meta_of, write
from recorded_drives import scenarionet_data
from toys import joint_state, picture

from wm_planner.clock import ManualClock
from wm_planner.config import convert, read_yaml
from wm_planner.contracts.card import Card
from wm_planner.contracts.dataset import Episode
from wm_planner.data.episodes import EpisodeData
from wm_planner.data.npz import NpzData, NpzWriter
from wm_planner.driving.scenarios.readers import numpy_pickle
from wm_planner.errors import WmError
from wm_planner.messaging import codec
from wm_planner.messaging.messages import definition
from wm_planner.messaging.older import OlderType, is_older
from wm_planner.messaging.reader import Reader
from wm_planner.messaging.wire import ANY, Delivery, Envelope, frames_of
from wm_planner.recording.player import Player
from wm_planner.recording.recorder import Recorder

FEW, MANY = 60, 5000
SLOWEST_S = 2.0


class Case(NamedTuple):
    """A reader under test.

    Attributes:
        whole: undamaged bytes.
        read: reads them, damaged or not.
    """

    whole: bytes
    read: Callable[[bytes], object]


def in_file(path, read):
    """A reader of bytes that are written to a file first."""

    def write_and_read(data):
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return read(path)

    return write_and_read


@pytest.fixture
def a_pickle(tmp_path):
    data = {"drive": scenarionet_data(), "scalar": np.float32(1), "set": {1, 2}}
    return Case(pickle.dumps(data, protocol=5), in_file(tmp_path / "a.pkl", numpy_pickle.read))


@pytest.fixture
def an_old_pickle(tmp_path):
    data = {"array": np.arange(6.0).reshape(2, 3).T, "scalar": np.float32(1), "plain": [1, (2.0, None), b"v"]}
    return Case(pickle.dumps(data, protocol=0), in_file(tmp_path / "a.pkl", numpy_pickle.read))


@pytest.fixture
def an_array_file(tmp_path):
    write(tmp_path / "set", 0, episodes=1, steps=2)
    path = tmp_path / "set" / "state.npy"
    return Case(
        path.read_bytes(), in_file(path, lambda _: np.array(EpisodeData.open(tmp_path / "set").state))
    )


@pytest.fixture
def an_episode_archive(tmp_path):
    data = write(tmp_path / "set", 0, episodes=1, steps=2)
    with NpzWriter(tmp_path / "archives", meta_of(0, 1, 2)) as writer:
        writer.add(Episode(data.images, data.state, data.action))
        writer.finish(1, {})
    path = tmp_path / "archives" / "episodes" / "000000.npz"
    return Case(path.read_bytes(), in_file(path, read_archive))


def read_archive(path):
    data = NpzData(path.parents[1])
    return [data.read(name, slice(0, 3)) for name in ("images", "state", "action")]


@pytest.fixture
def a_recording(tmp_path):
    clock = ManualClock()
    recorder = Recorder(tmp_path / "whole.mcap", clock)
    for tick in range(1, 4):
        clock.set_ns(tick)
        for topic, message in {
            "/joint_states": joint_state(tick),
            "/camera/a/image_raw": picture(tick),
        }.items():
            envelope = Envelope(tick, 0, 0, 1, 0)
            recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))
    recorder.close()
    return Case(recorder.path.read_bytes(), in_file(tmp_path / "a.mcap", read_recording))


def read_recording(path):
    return [recorded.message for recorded in Player(path).messages()]


@pytest.fixture
def a_definition():
    """The text of a message type, as a recording holds it."""

    def read(data):
        text = data.decode(errors="replace")
        return is_older("wm_planner_msgs/msg/Plan", text), OlderType("toy_msgs/msg/Toy", text)

    return Case(definition("wm_planner_msgs/msg/Plan").encode(), read)


@pytest.fixture
def a_yaml_file(tmp_path):
    text = (
        "a: &a {b: 0.5, c: [1, 2, x]}\nd: *a\ne: 2020-02-03\nf: !!float '1'\ng: |\n  text\nh: \"\\u00e9\"\n"
    )
    read = in_file(tmp_path / "a.yaml", lambda path: convert(read_yaml(path), Card, str(path)))
    return Case(text.encode(), read)


@pytest.fixture
def frames():
    """A message as sent; its first bytes are the lengths of its frames."""
    wire = frames_of("/joint_states")
    envelope = msgspec.msgpack.encode(Envelope(1, 2, 3, 4, wire.type_hash))
    parts = wire.frame, envelope, codec.encode(joint_state(1))
    context = zmq.Context()
    sender = context.socket(zmq.XPUB)
    sender.bind("inproc://fuzzing")
    reader = Reader(context)
    reader.subscribe(ANY)
    reader.connect_only({"inproc://fuzzing"})
    sender.recv()

    def send_and_read(data):
        lengths, rest = data[:3], data[3:]
        cut = [rest[sum(lengths[:n]) : sum(lengths[: n + 1])] for n in range(len(lengths))]
        sender.send_multipart([*cut, rest[sum(lengths) :]] if sum(lengths) < len(rest) else cut or [b""])
        assert reader.socket.poll(5000)
        delivery = reader.receive()
        return delivery and delivery.message()

    yield Case(bytes(map(len, parts)) + b"".join(parts), send_and_read)
    reader.close()
    sender.close(0)
    context.term()


CASES = (
    *("a_pickle", "an_old_pickle", "an_array_file", "an_episode_archive", "a_recording"),
    *("a_definition", "a_yaml_file", "frames"),
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_damaged_bytes_lead_to_an_error_that_says_so(name, count, request):
    case = request.getfixturevalue(name)
    refused, slowest_s = 0, 0.0
    for data in mutants(case.whole, count):
        began_s = time.thread_time()
        try:
            refused += case.read(data) is None
        except WmError as error:
            refused += 1
            assert str(error)
        slowest_s = max(slowest_s, time.thread_time() - began_s)
    assert refused > count / 10
    assert slowest_s < SLOWEST_S


@pytest.mark.parametrize("name", [name for name in CASES if name != "a_yaml_file"])
def test_the_undamaged_bytes_are_read(name, request):
    case = request.getfixturevalue(name)
    assert case.read(case.whole) is not None
