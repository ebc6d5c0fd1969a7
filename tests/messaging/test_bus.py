import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

import msgspec
import numpy as np
import pytest
import zmq
from toys import PATIENCE_S, joint_state, matched, picture, receive, until

from wm_planner.errors import MessagingError
from wm_planner.messaging import messages as m
from wm_planner.messaging import wire
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain, process_start


def test_a_message_arrives_with_its_envelope(peers):
    writer = peers.join("writer", "/joint_states")
    reader = peers.join("reader", subscribes="/joint_states")
    matched(writer, reader, "/joint_states")
    writer.publish("/joint_states", joint_state(5))
    writer.publish("/joint_states", joint_state(6), origin_ns=42)
    first, second = receive(reader), receive(reader)
    assert m.stamp_ns(first.message()) == 5 and m.stamp_ns(second.message()) == 6
    assert (first.envelope.sequence, second.envelope.sequence) == (1, 2)
    assert first.envelope.origin_ns == first.envelope.publish_ns
    assert second.envelope.origin_ns == 42
    assert first.envelope.publisher_id == writer.publisher_id


def test_a_topic_is_not_confused_with_one_that_it_is_a_prefix_of(peers):
    writer = peers.join("writer", "/plan /plan_path")
    reader = peers.join("reader", subscribes="/plan")
    matched(writer, reader, "/plan")
    writer.publish("/plan_path", m.Path(m.header(1), []))
    plan = m.Plan(m.header(2), 1, [], [], 0, np.empty(0, np.float32), 0.1, 0, 1, False)
    writer.publish("/plan", plan)
    assert receive(reader).topic == "/plan"


def test_what_is_received_cannot_be_written_to(peers):
    writer = peers.join("writer", "/camera/front/image_raw")
    reader = peers.join("reader", subscribes="/camera/front/image_raw")
    matched(writer, reader, "/camera/front/image_raw")
    writer.publish("/camera/front/image_raw", picture(1))
    pixels = receive(reader).message().data
    assert np.array_equal(pixels, picture(1).data) and not pixels.flags.writeable


def test_a_reader_receives_from_every_publisher_of_a_topic(peers):
    writers = [peers.join(name, "/joint_states") for name in ("one", "two")]
    reader = peers.join("reader", subscribes="/joint_states")
    for stamp, writer in enumerate(writers):
        matched(writer, reader, "/joint_states")
        writer.publish("/joint_states", joint_state(stamp))
    assert {m.stamp_ns(receive(reader).message()) for _ in writers} == {0, 1}


def test_one_reader_of_all_topics_counts_for_each(peers):
    writer = peers.join("writer", "/joint_states /clock")
    reader = peers.join("reader", subscribes=wire.ANY)
    reader.refresh()
    writer.wait_for_readers({"/joint_states": 1, "/clock": 1}, 5.0)
    writer.publish("/clock", m.Clock(m.time(1)))
    assert receive(reader).topic == "/clock"


def test_a_latched_message_reaches_a_late_reader_once_and_others_only_once(peers):
    writer = peers.join("writer", "/episode")
    early = peers.join("early", subscribes="/episode")
    matched(writer, early, "/episode")
    for identity in (1, 2):
        episode = m.Episode(m.header(0), identity, 0, "running", 0, 0.1, False, "", np.empty(0), 0.0)
        writer.publish("/episode", episode)
    assert [receive(early).message().id for _ in range(2)] == [1, 2]
    late = peers.join("late", subscribes="/episode")
    assert receive(late, writer).message().id == 2
    early.wait(0.05)
    assert early.receive() is None


def test_lossless_delivers_all_to_a_slow_reader(domain, peers):
    writer = peers.join("writer", "/joint_states")
    process = slow_reader(domain, count=5000)
    writer.wait_for_readers({"/joint_states": 1}, 20.0)
    for stamp in range(5000):
        writer.publish("/joint_states", joint_state(stamp))
    assert json.loads(process.communicate(timeout=20)[0]) == {"received": 5000, "gaps": 0}


def slow_reader(domain, count):
    """A process that reads `count` messages, resting at first."""
    program = f"""
import json, time
from pathlib import Path
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
bus = Bus(Domain(Path({str(domain.path)!r})), "slow", lossless=True)
bus.subscribe("/joint_states")
bus.announce("active")
time.sleep(0.3)
received = 0
while received < {count}:
    bus.wait(0.05)
    while bus.receive() is not None:
        received += 1
print(json.dumps({{"received": received, "gaps": sum(bus.gaps.values())}}))
bus.close()
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)


def test_lossless_reports_the_topic_if_a_reader_accepts_nothing(peers, monkeypatch):
    monkeypatch.setattr("wm_planner.messaging.writer._STALL_S", 0.05)
    writer = peers.join("writer", "/camera/front/image_raw")
    reader = peers.join("reader", subscribes="/camera/front/image_raw")
    matched(writer, reader, "/camera/front/image_raw")
    image = picture(0, 1024)
    with pytest.raises(MessagingError, match=r"image_raw: a reader has accepted nothing for 0\.05 s"):
        for _ in range(60):  # 180 MB
            writer.publish("/camera/front/image_raw", image)


def test_realtime_drops_for_a_reader_that_does_not_read_and_counts_it(peers):
    writer = peers.join("writer", "/camera/front/image_raw", lossless=False)
    reader = peers.join("reader", subscribes="/camera/front/image_raw", lossless=False)
    matched(writer, reader, "/camera/front/image_raw")
    image = picture(0, 1024)
    for _ in range(60):  # 180 MB, the budget is 32 MB
        writer.publish("/camera/front/image_raw", image)
    sent, received, last = 60, 0, 0
    while last < sent:
        reader.wait(0.02)
        if (delivery := reader.receive()) is not None:
            received, last = received + 1, delivery.envelope.sequence
        else:
            writer.publish("/camera/front/image_raw", image)
            sent += 1
    assert received + reader.gaps["/camera/front/image_raw"] == last
    assert reader.gaps["/camera/front/image_raw"] > 20


@pytest.mark.parametrize("size", [100, 1024])  # in frames of 30 KB, and in shared memory
def test_a_large_message_arrives_after_any_number_of_small_ones(peers, size):
    """The limit of a queue never changes: libzmq 4.3.5 stalls or crashes if it does."""
    writer = peers.join("writer", "/joint_states /camera/front/image_raw")
    reader = peers.join("reader", subscribes="/joint_states /camera/front/image_raw")
    matched(writer, reader, "/joint_states")
    matched(writer, reader, "/camera/front/image_raw")
    for tick in range(300):
        writer.publish("/joint_states", joint_state(tick))
        receive(reader, writer)
    for tick in range(20):
        writer.publish("/camera/front/image_raw", picture(tick, size))
        assert m.stamp_ns(receive(reader, writer).message()) == tick


def test_large_messages_in_frames_keep_the_budget_and_one_over_it_goes_alone(peers, monkeypatch):
    monkeypatch.setattr("wm_planner.messaging.slots.IS_AVAILABLE", False)
    topic = "/camera/front/image_raw"
    writer = peers.join("writer", topic, lossless=False)
    reader = peers.join("reader", subscribes=topic, lossless=False)
    matched(writer, reader, topic)
    for tick in range(100):  # 300 MB
        writer.publish(topic, picture(tick, 1024))
    waiting = sum(size for _, size in writer._writer._backlog._waiting)
    assert 0 < waiting <= wire.BUDGET_BYTES
    assert m.stamp_ns(receive(reader, writer).message()) == 0
    monkeypatch.setattr("wm_planner.messaging.backlog.BUDGET_BYTES", 1000)
    until(lambda: receive(reader, writer) is not None and writer._writer._backlog.has_room(2000))
    assert not writer._writer._backlog._waiting


def test_a_message_over_the_limit_is_refused(peers, monkeypatch):
    monkeypatch.setattr("wm_planner.messaging.writer.MAX_MESSAGE_BYTES", 1000)
    writer = peers.join("writer", "/camera/front/image_raw")
    with pytest.raises(MessagingError, match="the limit is 1000"):
        writer.publish("/camera/front/image_raw", picture(0, 32))


def test_a_published_message_must_be_advertised_and_of_the_topics_type(peers):
    writer = peers.join("writer", "/joint_states")
    with pytest.raises(MessagingError, match="'/clock' is not advertised"):
        writer.publish("/clock", m.Clock(m.time(0)))
    with pytest.raises(
        MessagingError, match="carries sensor_msgs/msg/JointState, got rosgraph_msgs/msg/Clock"
    ):
        writer.publish("/joint_states", m.Clock(m.time(0)))
    with pytest.raises(MessagingError, match="did you mean '/joint_states'"):
        writer.subscribe("/joint_state")


def test_waiting_for_missing_readers_reports_their_topics(peers):
    writer = peers.join("writer", "/joint_states")
    with pytest.raises(MessagingError, match="/joint_states lacks 2"):
        writer.wait_for_readers({"/joint_states": 2}, 0.02)


def test_a_reader_that_leaves_is_no_longer_counted(peers):
    writer = peers.join("writer", "/joint_states")
    reader = peers.join("reader", subscribes="/joint_states")
    matched(writer, reader, "/joint_states")

    reader.close()

    def is_gone() -> bool:
        try:
            writer.wait_for_readers({"/joint_states": 1}, 0.0)
        except MessagingError:
            return True
        return False

    until(is_gone)


def test_a_publisher_leaves_once_a_slow_reader_has_everything(peers):
    reader = peers.join("reader", subscribes="/joint_states")
    writer = peers.join("writer", "/joint_states")
    matched(writer, reader, "/joint_states")
    for stamp in range(500):
        writer.publish("/joint_states", joint_state(stamp))
    leaving = threading.Thread(target=writer.close, args=(PATIENCE_S,))
    leaving.start()
    assert [m.stamp_ns(receive(reader).message()) for _ in range(500)] == list(range(500))
    until(lambda: reader.wait(0.01) or not leaving.is_alive())
    assert [endpoint.name for endpoint in peers.domain.endpoints()] == ["reader"]


def test_a_publisher_does_not_wait_forever_for_a_reader_that_does_not_read(peers):
    reader = peers.join("reader", subscribes="/joint_states")
    writer = peers.join("writer", "/joint_states")
    matched(writer, reader, "/joint_states")
    writer.publish("/joint_states", joint_state(1))
    writer.close(0.05)
    assert [endpoint.name for endpoint in peers.domain.endpoints()] == ["reader"]


def test_closing_leaves_nothing_behind(domain, peers):
    buses = [peers.join(name, "/clock", "/plan") for name in ("a", "b")]
    assert {path.suffix for path in domain.path.iterdir()} == {".json", ".pub"}
    for bus in buses:
        bus.close()
    assert not domain.path.exists()


def test_a_bus_can_be_closed_after_its_domain_was_removed(domain, peers):
    bus = peers.join("progress", subscribes="/episode")
    domain.remove()
    bus.close()


def test_a_publisher_with_another_definition_of_a_type_is_ignored_and_both_are_named(domain, peers):
    writer = peers.join("writer", "/joint_states /clock")
    record = domain.path / "writer.json"
    whole = record.read_text()
    record.write_text(whole.replace(m.type_hash("sensor_msgs/msg/JointState"), "RIHS01_" + "0" * 64))
    reader = peers.join("reader", subscribes="/joint_states")
    [reason] = reader.rejected.reasons.values()
    assert "node 'writer' defines sensor_msgs/msg/JointState as RIHS01_0000" in reason
    assert not reader._reader.connected
    record.write_text(whole)
    matched(writer, reader, "/joint_states")
    assert not reader.rejected.reasons


@pytest.fixture
def stranger(domain):
    """A socket that sends a reader what it likes."""
    domain.open()
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        socket.bind("ipc://" + str(domain.path / "stranger"))
        yield socket


@pytest.mark.parametrize(
    ("frames", "source", "reason"),
    [
        (
            [b"/clock\0", msgspec.msgpack.encode(wire.Envelope(1, 0, 0, 9, 1)), b""],
            "/clock",
            "9 defines rosgr",
        ),
        ([b"/clock\0", b"nonsense", b""], "/clock", "Expected `array`"),
        ([b"/clock\0"], "/clock", "another number of frames than three"),
        ([b"/clock\0", b"", b"", b"", b""], "/clock", "another number of frames than three"),
        ([b"/clock\0\xff\xfe", b"", b""], "the bus", "invalid start byte"),
        ([b"/clock\0s", b"", b""], "the bus", "unknown topic"),
    ],
)
def test_what_is_no_message_is_dropped_and_counted_and_the_next_one_arrives(
    peers, domain, stranger, frames, source, reason
):
    reader = peers.join("reader", subscribes="/clock")
    reader._reader.connect_only({"ipc://" + str(domain.path / "stranger")})
    assert stranger.recv()[0] == 1
    stranger.send_multipart(frames)
    envelope = msgspec.msgpack.encode(wire.Envelope(1, 0, 0, 9, wire.frames_of("/clock").type_hash))
    stranger.send_multipart([b"/clock\0", envelope, b"good"])
    assert bytes(receive(reader).data) == b"good"
    assert reader.rejected.counts == {source: 1} and reason in reader.rejected.reasons[source]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b"{}",
        {"address": "tcp://10.0.0.1:5555"},
        {"address": "ipc:///elsewhere/socket"},
        {"control": "nonsense"},
        {"name": "../other"},
        {"name": "other"},
    ],
)
def test_a_record_that_cannot_be_read_is_ignored_and_named(domain, peers, content):
    """Such a record ends neither a node nor the claim of a domain, and no file that it names is removed."""
    bus = peers.join("writer", "/joint_states")
    if isinstance(content, dict):
        content = json.dumps(
            json.loads((domain.path / "writer.json").read_text()) | {"pid": 1} | content
        ).encode()
    (domain.path / "broken.json").write_bytes(content)
    bus.refresh()
    assert "broken.json: not a record of this version" in bus.rejected.reasons["broken.json"]
    assert [each.name for each in domain.endpoints()] == ["writer"]
    domain.sweep()
    (domain.path / "broken.json").unlink()
    bus.refresh()
    assert not bus.rejected.reasons


def test_a_node_stays_when_its_domain_is_removed(domain, peers):
    bus = peers.join("own", subscribes="/plan")
    domain.remove()
    bus.refresh()
    assert bus.publishers == {}


def test_a_domain_that_is_removed_while_it_is_claimed_is_made_again(domain, monkeypatch):
    locks = []

    def flock(lock, how):
        locks.append(lock)
        if len(locks) == 1:
            Domain(domain.path).remove()

    monkeypatch.setattr("fcntl.flock", flock)
    domain.claim()
    assert len(locks) == 2 and (domain.path / "lock").exists()
    domain.remove()


def test_a_domain_of_another_user_is_refused_with_what_to_do(domain, monkeypatch):
    domain.open()
    monkeypatch.setattr("os.getuid", lambda: 4242)
    with pytest.raises(
        MessagingError, match=r"belongs to user .*set XDG_RUNTIME_DIR to a directory of your own"
    ):
        domain.open()


def test_a_name_in_use_is_refused_with_the_process(domain, peers):
    peers.join("planner", "/plan")
    second = peers.add("planner2")
    second.name = "planner"
    with pytest.raises(
        MessagingError, match=f"'planner' is already on domain 'd' \\(process {os.getpid()}\\)"
    ):
        second.announce("active")


def test_a_domain_in_use_is_refused_with_the_process(domain, peers):
    domain.claim()
    with pytest.raises(MessagingError, match=f"in use by process {os.getpid()}: stop it first, or choose"):
        Domain(domain.path).claim()
    domain.remove()
    assert not domain.path.exists()
    bus = peers.join("planner", "/plan")
    with pytest.raises(MessagingError, match=f"process {os.getpid()} \\(node 'planner'\\)"):
        domain.claim()
    bus.close()
    domain.claim()
    domain.remove()


def test_a_domain_that_another_run_looks_at_is_claimed_once_it_has_looked(domain, monkeypatch):
    domain.open()
    looks = (domain.path / "lock").open("w")
    fcntl.flock(looks, fcntl.LOCK_EX)
    monkeypatch.setattr("wm_planner.messaging.domain.time.sleep", lambda _: looks.close())
    domain.claim()
    assert looks.closed
    domain.remove()


def test_records_and_sockets_of_killed_processes_are_swept(domain, peers):
    program = f"""
import time
from pathlib import Path
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
bus = Bus(Domain(Path({str(domain.path)!r})), "victim", lossless=True)
bus.announce("active")
print("up", flush=True)
time.sleep(60)
"""
    victim = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert victim.stdout.readline() == b"up\n"
    assert [endpoint.name for endpoint in domain.endpoints()] == ["victim"]
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    assert domain.endpoints() == []
    domain.claim()
    assert {path.name for path in domain.path.iterdir()} == {"lock"}
    domain.remove()


def test_a_zombie_counts_as_dead():
    child = os.fork()
    if child == 0:
        os._exit(0)
    until(lambda: process_start(child) is None)
    os.waitpid(child, 0)
    assert process_start(os.getpid()) is not None


def test_the_domain_of_a_killed_run_is_removed_by_the_next_run(tmp_path):
    killed, held = Domain(tmp_path / "killed"), Domain(tmp_path / "held")
    killed.claim()
    held.claim()
    (killed.path / "planner-1.pub").touch()
    os.close(killed._lock)  # what the kernel does with a process
    Domain(tmp_path / "next").claim()
    assert not killed.path.exists()
    assert held.path.exists()


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b"])
def test_a_domain_needs_a_plain_name(name):
    with pytest.raises(MessagingError, match="wanted a name of at most 64 letters"):
        Domain.named(name)


def test_a_directory_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "d").mkdir(mode=0o755)
    with pytest.raises(MessagingError, match="mode 0700"):
        Domain(tmp_path / "d").open()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(MessagingError, match="longer than the 107 bytes"):
        Bus(Domain(tmp_path / ("x" * 100)), "node", lossless=True)
