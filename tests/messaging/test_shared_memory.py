"""Large messages in shared memory: whole and in order, with slow, killed and older readers."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zmq
from toy_run import Run
from toys import PATIENCE_S, matched, picture, receive, until

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec, leases, shared_memory, slots
from wm_planner.messaging import messages as m
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.images import image
from wm_planner.messaging.subscribers import OFFERED, REFERRED, SHARED
from wm_planner.messaging.wire import ANY, Delivery
from wm_planner.recording.player import Player

IMAGE = "/camera/front/image_raw"
SIZE = 160  # pixels per side: 77 KB


def is_shared(delivery: Delivery) -> bool:
    """Whether the bytes of a message lie in a memory of a publisher."""
    address = np.frombuffer(delivery.data, np.uint8).ctypes.data
    return any(start <= address < end for start, end in memories(os.getpid()))


def memories(pid: int) -> list[tuple[int, int]]:
    """The shared memories of publishers that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if "/memfd:wm_planner-" in line]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


def filled(value: int, size: int = SIZE) -> m.Message:
    """A picture of one value, stamped with it."""
    return image(np.full((size, size, 3), value % 256, np.uint8), value, "front")


def sharing(peers, topic=IMAGE, lossless=True, subscribes=None):
    """A writer and a reader that have exchanged their first large message, and so share memory."""
    writer = peers.join("writer", topic, lossless=lossless)
    reader = peers.join("reader", subscribes=subscribes or topic, lossless=lossless)
    matched(writer, reader, topic)
    share(writer, reader, topic)
    return writer, reader


def share(writer, reader, topic=IMAGE):
    def has_come_by_memory() -> bool:
        writer.publish(topic, filled(0))
        return is_shared(receive(reader, writer))

    until(has_come_by_memory)


def test_a_large_message_lies_in_shared_memory_and_has_the_bytes_of_any_other(peers):
    writer, reader = sharing(peers)
    sent = picture(7, SIZE)
    writer.publish(IMAGE, sent)
    first = receive(reader, writer)
    writer.publish_raw(IMAGE, codec.encode(sent))
    second = receive(reader, writer)
    assert is_shared(first) and is_shared(second)
    assert bytes(first.data) == bytes(second.data) == codec.encode(sent)
    assert second.envelope.sequence == first.envelope.sequence + 1
    pixels = first.message().data
    assert np.array_equal(pixels, sent.data) and not pixels.flags.writeable
    assert first.data.readonly
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 1


def test_a_reader_of_everything_shares_memory_too(peers):
    writer, reader = sharing(peers, subscribes=ANY)
    writer.publish(IMAGE, picture(7, SIZE))
    assert is_shared(receive(reader, writer))


def test_small_and_latched_messages_come_inside_of_frames(peers):
    writer, reader = sharing(peers)
    writer.publish(IMAGE, picture(1, 8))
    assert not is_shared(receive(reader, writer))
    other = peers.join("other", "/goal")
    reader.subscribe("/goal")
    matched(other, reader, "/goal")
    nothing = m.Path(m.header(0), []), [], "", np.zeros(0, np.uint32)
    goal = m.Goal(m.header(3), 7, ["front"], [picture(0, SIZE)], [], *nothing)
    for _ in range(3):
        other.publish("/goal", goal)
        assert not is_shared(receive(reader, other))


def test_what_is_in_use_is_never_overwritten(peers):
    writer, reader = sharing(peers)
    held = []
    for value in range(1, 3 * shared_memory.MOST_SLOTS):
        writer.publish(IMAGE, filled(value))
        held.append(receive(reader, writer))
    assert [is_shared(each) for each in held].count(True) == shared_memory.MOST_SLOTS // 2
    assert [int(each.message().data[0]) for each in held] == list(range(1, 3 * shared_memory.MOST_SLOTS))
    assert all(np.ptp(each.message().data) == 0 for each in held)
    held.clear()
    writer.publish(IMAGE, filled(99))
    assert is_shared(receive(reader, writer))


def test_what_was_received_outlives_the_reader_and_the_publisher(peers):
    writer, reader = sharing(peers)
    writer.publish(IMAGE, filled(5))
    pixels = receive(reader, writer).message().data
    reader.close(0.0)
    for value in range(6, 20):
        writer.publish(IMAGE, filled(value))
    writer.close(0.0)
    assert pixels[0] == 5 and np.ptp(pixels) == 0 and memories(os.getpid())
    del pixels
    assert not memories(os.getpid())


def test_messages_that_grow_get_larger_memory_and_those_that_are_too_large_none(peers, monkeypatch):
    monkeypatch.setattr(slots, "TOPIC_BYTES", 8 * 2**20)
    writer, reader = sharing(peers)
    share_larger = [is_shared_after_some(writer, reader, size) for size in (400, 700, 900)]
    assert share_larger == [True, True, False]  # 0.5, 1.5 and 2.4 MB; four of them must fit into 8 MB
    assert is_shared_after_some(writer, reader, SIZE)
    assert len(memories(os.getpid())) == 2 * 2  # control page and slots, of writer and reader


def is_shared_after_some(writer, reader, size: int) -> bool:
    """Whether the fifth message of a size lies in shared memory; all are whole."""
    for _ in range(5):
        writer.publish(IMAGE, filled(size, size))
        delivery = receive(reader, writer)
        assert bytes(delivery.data) == codec.encode(filled(size, size))
        writer.wait(0.01)
    return is_shared(delivery)


def test_the_memory_of_a_node_is_bounded(peers, monkeypatch):
    monkeypatch.setattr(slots, "NODE_BYTES", 15 * 2**16)
    topics = [f"/camera/{name}/image_raw" for name in ("a", "b", "c")]
    writer = peers.join("writer", " ".join(topics))
    reader = peers.join("reader", subscribes=" ".join(topics))
    for topic in topics:
        matched(writer, reader, topic)
    for _ in range(5):
        for topic in topics:
            writer.publish(topic, filled(1))
        came = [is_shared(receive(reader, writer)) for _ in topics]
    assert came == [True, True, False]
    mapped = sum(end - start for start, end in memories(os.getpid()))  # by the writer and by the reader
    assert mapped <= 2 * 2**20 + 8 * shared_memory.CONTROL_BYTES


def test_without_memory_messages_come_inside_of_frames(peers, monkeypatch):
    def refuse(file: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slots.os, "posix_fallocate", refuse)
    writer = peers.join("writer", IMAGE)
    reader = peers.join("reader", subscribes=IMAGE)
    matched(writer, reader, IMAGE)
    assert not is_shared_after_some(writer, reader, SIZE)


def test_a_reader_that_cannot_open_the_memory_gets_messages_inside_of_frames(peers, monkeypatch):
    def refuse(offer: shared_memory.Offer) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(leases, "_opened", refuse)
    writer = peers.join("writer", IMAGE)
    reader = peers.join("reader", subscribes=IMAGE)
    matched(writer, reader, IMAGE)
    assert not is_shared_after_some(writer, reader, SIZE)


def test_more_readers_than_columns_get_messages_inside_of_frames(peers, monkeypatch):
    monkeypatch.setattr(leases, "READERS", 1)
    writer, reader = sharing(peers)
    other = peers.join("other", subscribes=IMAGE)
    matched(writer, other, IMAGE, 2)
    for value in range(5):
        writer.publish(IMAGE, filled(value))
        found = [receive(each, writer) for each in (reader, other)]
        assert [int(each.message().data[0]) for each in found] == [value, value]
        writer.wait(0.01)
    assert not any(map(is_shared, found))


def test_a_reader_of_an_older_version_gets_every_message_inside_of_frames(peers):
    writer, reader = sharing(peers)
    context = zmq.Context()
    older = context.socket(zmq.SUB)
    older.subscribe(IMAGE.encode() + b"\0")
    older.connect(writer._address)
    writer.wait_for_readers({IMAGE: 2}, PATIENCE_S)
    for value in range(4):
        writer.publish(IMAGE, filled(value))
        assert older.poll(PATIENCE_S * 1000)
        frames = older.recv_multipart()
        assert len(frames) == 3 and frames[2] == codec.encode(filled(value))
        assert not is_shared(receive(reader, writer))
    older.close(0)
    context.term()
    share(writer, reader)


def test_a_reader_that_comes_later_shares_memory_and_misses_nothing(peers):
    writer, reader = sharing(peers)
    other = peers.join("other", subscribes=IMAGE)
    matched(writer, other, IMAGE, 2)
    numbers = []
    for value in range(8):
        writer.publish(IMAGE, filled(value))
        first, second = receive(reader, writer), receive(other, writer)
        numbers.append(second.envelope.sequence)
        assert bytes(first.data) == bytes(second.data)
        writer.wait(0.01)
    assert is_shared(first) and is_shared(second)
    assert numbers == list(range(numbers[0], numbers[0] + 8))


def test_frames_of_shared_memory_that_are_not_are_dropped_and_counted(peers):
    writer, reader = sharing(peers)
    frame = IMAGE.encode() + b"\0"
    token = next(iter(writer._writer._shared._slots.values())).token
    pack = shared_memory.REFERENCE.pack
    for message in (
        SHARED + frame,
        SHARED + frame + OFFERED + b"x",
        SHARED + frame + REFERRED + b"x",
        SHARED + frame + REFERRED + pack(token, 99, 5, 1, 1) + b"x",
        SHARED + frame + REFERRED + pack(token, 0, 2**31, 1, 1) + b"x",
        SHARED + frame + b"\7",
    ):
        writer._writer.socket.send(message)
    writer.publish(IMAGE, filled(3))
    assert receive(reader, writer).message().data[0] == 3
    assert sum(reader.rejected.counts.values()) == 6


READER = """
import os, sys
from pathlib import Path
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
bus = Bus(Domain(Path({path!r})), {name!r}, lossless=False)
bus.subscribe({topic!r})
bus.announce("active")
held = []
while True:
    bus.wait(0.05)
    while (delivery := bus.receive()) is not None:
        held.append(delivery)
        pixels = delivery.message().data
        print(len(held), pixels[0], int(pixels.max()) - int(pixels.min()), flush=True)
"""


def reading_process(domain: Domain, name: str = "other") -> subprocess.Popen[str]:
    """A process that reads pictures and keeps all of them in use."""
    program = READER.format(path=str(domain.path), name=name, topic=IMAGE)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def wait_until_left(writer: Bus) -> None:
    """Wait until a reader that was killed no longer counts, so that the next one is waited for."""
    with pytest.raises(MessagingError, match="lacks 1"):
        while True:
            writer.wait_for_readers({IMAGE: 2}, 0.0)


def test_what_a_killed_reader_used_is_free_again(domain, peers):
    """Each of them uses half of the slots, and one half is left after the first."""
    writer, reader = sharing(peers, lossless=False)
    for _ in range(4):
        process = reading_process(domain)
        writer.wait_for_readers({IMAGE: 2}, PATIENCE_S)
        for value in range(3 * shared_memory.MOST_SLOTS):
            writer.publish(IMAGE, filled(value))
            assert np.all(receive(reader, writer).message().data == value)
            assert process.stdout is not None and process.stdout.readline().split()[1] == str(value)
        process.kill()
        process.communicate()
        wait_until_left(writer)
        share(writer, reader)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_stopped_reader_blocks_no_publisher_and_no_other_reader(domain, peers, lossless):
    """In lockstep it gets every message, in realtime the last ones that found a slot, and all are whole."""
    writer, reader = sharing(peers, lossless=lossless)
    process = reading_process(domain)
    assert process.stdout is not None
    last = 40
    try:
        writer.wait_for_readers({IMAGE: 2}, PATIENCE_S)
        for value in range(1, 4):
            writer.publish(IMAGE, filled(value))
            receive(reader, writer)
            assert process.stdout.readline().split()[1] == str(value)
        process.send_signal(signal.SIGSTOP)
        for value in range(4, last + 1):
            writer.publish(IMAGE, filled(value))
            delivery = receive(reader, writer)
            assert np.all(delivery.message().data == value)
            assert lossless or is_shared(delivery)
        process.send_signal(signal.SIGCONT)
        values = []
        while last not in values:
            _, value, spread = process.stdout.readline().split()
            assert spread == "0"
            values.append(int(value))
    finally:
        process.kill()
        process.communicate()
    assert values == list(range(4, last + 1)) if lossless else values == sorted(values)


WRITER = """
from pathlib import Path
import numpy as np
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.images import image
bus = Bus(Domain(Path({path!r})), "writer", lossless=False)
bus.advertise({topic!r})
bus.announce("active")
bus.wait_for_readers({{{topic!r}: 1}}, 60.0)
value = 0
while True:
    value = value % 255 + 1
    bus.publish({topic!r}, image(np.full(({size}, {size}, 3), value, np.uint8), value, "front"))
    bus.wait(0.0005)
"""


def named_memories():
    """What is in /dev/shm, without that of the process pools of other tests."""
    return {
        path.name
        for path in Path("/dev/shm").iterdir()
        if "loky" not in path.name and "joblib" not in path.name
    }


def test_a_killed_publisher_leaves_nothing_and_what_it_sent_stays_whole(domain, peers):
    before = named_memories()
    reader = peers.join("reader", subscribes=IMAGE, lossless=False)
    program = WRITER.format(path=str(domain.path), topic=IMAGE, size=SIZE)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", program])
        kept = []
        while not kept or not is_shared(kept[-1]):
            kept.append(receive(reader))
            kept = kept[-3:]
        process.kill()
        process.wait()
        assert all(np.ptp(each.message().data) == 0 for each in kept)
        while reader.receive() is not None:
            pass
        kept.clear()
        until(lambda: reader.wait(0.01) is None and not drained(reader) and not memories(os.getpid()))
    assert named_memories() <= before


def drained(reader) -> bool:
    """Whether messages were still there; they are dropped."""
    return reader.receive() is not None


def test_pictures_of_a_lockstep_run_are_recorded_byte_for_byte(tmp_path):
    run = Run(tmp_path)
    run.params("talker", ticks=30, stall_s=60.0, pixels=SIZE)
    assert run.go().status == "finished" and run.is_clean
    player = Player(run.recording)
    assert sum(player.gaps.values()) == 0
    assert [recorded.data for recorded in player.messages([IMAGE])] == [
        codec.encode(filled(tick)) for tick in range(30)
    ]


def test_the_file_cannot_be_cut_and_has_no_name_in_a_folder(peers):
    writer, _ = sharing(peers)
    memory = next(iter(writer._writer._shared._slots.values()))
    with pytest.raises(PermissionError):
        os.ftruncate(memory._file, 0)
    target = str(Path(f"/proc/self/fd/{memory._file}").readlink())
    assert re.fullmatch(r"/memfd:wm_planner-[0-9a-f]{16} \(deleted\)", target)
