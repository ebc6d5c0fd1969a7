"""Nodes of one process: what they hand to each other is what a socket would have carried."""

import numpy as np
import pytest
import zmq
from toys import PATIENCE_S, joint_state, matched, picture, receive, until

from wm_planner.messaging import messages as m
from wm_planner.messaging import wire
from wm_planner.messaging.exchange import Exchange

CAMERA = "/camera/front/image_raw"


@pytest.fixture
def exchange():
    return Exchange()


def test_a_reader_in_the_process_gets_the_bytes_and_the_envelope_that_one_outside_gets(peers, exchange):
    writer = peers.join("writer", f"{CAMERA} /joint_states", exchange=exchange)
    near = peers.join("near", subscribes=f"{CAMERA} /joint_states", exchange=exchange)
    far = peers.join("far", subscribes=f"{CAMERA} /joint_states")
    matched(writer, far, CAMERA, count=2)
    matched(writer, far, "/joint_states", count=2)
    for topic, message in ((CAMERA, picture(1)), ("/joint_states", joint_state(2)), (CAMERA, picture(3))):
        writer.publish(topic, message)
        ours, theirs = receive(near), receive(far)
        assert ours == theirs
        assert bytes(ours.data) == bytes(theirs.data)
    assert not near.gaps or sum(near.gaps.values()) == 0


def test_no_socket_connects_the_nodes_of_a_process(peers, exchange):
    writer = peers.join("writer", "/joint_states", exchange=exchange)
    near = peers.join("near", subscribes="/joint_states", exchange=exchange)
    near.refresh()
    assert not near._reader.connected
    assert writer.has_reader("/joint_states")
    writer.wait_for_readers({"/joint_states": 1}, 0.0)


def test_what_is_received_cannot_change_what_was_sent_nor_what_others_receive(peers, exchange):
    writer = peers.join("writer", CAMERA, exchange=exchange)
    readers = [peers.join(name, subscribes=CAMERA, exchange=exchange) for name in ("one", "two")]
    sent = picture(1)
    writer.publish(CAMERA, sent)
    sent.data[:] = 0  # the publisher reuses its picture, and its encoder the buffer
    writer.publish(CAMERA, sent)
    for reader in readers:
        pixels = receive(reader).message().data
        assert np.array_equal(pixels, picture(1).data)
        assert not np.shares_memory(pixels, sent.data)
        with pytest.raises(ValueError, match="read-only"):
            pixels[0] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
            pixels.flags.writeable = True


def test_a_node_does_not_receive_what_it_publishes_itself(peers, exchange):
    bus = peers.join("both", "/joint_states", wire.ANY, exchange=exchange)
    bus.publish("/joint_states", joint_state(1))
    assert not bus.has_mail and not bus.has_reader("/joint_states")


def test_one_wait_serves_all_nodes_of_the_process(peers, exchange):
    near = peers.join("near", "/clock", exchange=exchange)
    sleeper = peers.join("sleeper", subscribes="/joint_states", exchange=exchange)
    outside = peers.join("outside", "/joint_states")
    near.refresh()
    until(lambda: near.wait(0.01) or outside.wait(0.0) or outside.has_reader("/joint_states"))
    outside.publish("/joint_states", joint_state(4))
    until(lambda: near.wait(0.01) or sleeper._reader.socket.get(zmq.EVENTS) & zmq.POLLIN)
    assert m.stamp_ns(sleeper.receive().message()) == 4


def test_a_wait_does_not_sleep_while_a_message_of_the_process_is_waiting(peers, exchange):
    writer = peers.join("writer", "/joint_states", exchange=exchange)
    reader = peers.join("reader", subscribes="/joint_states", exchange=exchange)
    writer.publish("/joint_states", joint_state(1))
    asked = []
    exchange._poller.poll = lambda timeout_ms: asked.append(timeout_ms) or []
    reader.wait(PATIENCE_S)
    assert receive(reader).envelope.sequence == 1
    reader.wait(PATIENCE_S)
    assert asked[0] == 0 and asked[-1] > 0


def test_a_process_that_is_alone_still_finds_one_that_joins(peers, exchange):
    near = peers.join("near", "/joint_states", exchange=exchange)
    peers.join("other", subscribes="/joint_states", exchange=exchange)
    until(lambda: near.wait(0.01) or near._is_alone)
    newcomer = peers.join("newcomer", subscribes="/joint_states")
    until(lambda: near.wait(0.01) or newcomer.publisher_id in near.publishers)
    until(lambda: near.wait(0.01) or newcomer.wait(0.01) or near._writer.readers("/joint_states") == 2)


def test_a_topic_that_a_bus_reads_later_reaches_it_too(peers, exchange):
    writer = peers.join("writer", "/joint_states", exchange=exchange)
    reader = peers.join("reader", exchange=exchange)
    assert not writer.has_reader("/joint_states")
    reader.subscribe("/joint_states")
    writer.publish("/joint_states", joint_state(1))
    assert receive(reader).envelope.sequence == 1


def test_a_node_that_has_left_receives_nothing_and_the_others_go_on(peers, exchange):
    writer = peers.join("writer", "/joint_states", exchange=exchange)
    leaver = peers.join("leaver", subscribes="/joint_states", exchange=exchange)
    stayer = peers.join("stayer", subscribes="/joint_states", exchange=exchange)
    leaver.close()
    writer.publish("/joint_states", joint_state(1))
    assert receive(stayer).envelope.sequence == 1
    assert not leaver.has_mail
    writer.close()
    stayer.wait(0.0)
