import threading

import pytest
import zmq
from toys import joint_state, until

from wm_planner.cli.main import wm
from wm_planner.errors import ConfigError, MessagingError
from wm_planner.launching.program_file import node_class
from wm_planner.messaging import codec
from wm_planner.messaging.keys import create, own_keys, public_key
from wm_planner.messaging.link import Address, Head, Link
from wm_planner.messaging.wire import frames_of
from wm_planner.share import find

ANYWHERE = "tcp://127.0.0.1:*"
JOINTS = "/joint_states"


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def keys(tmp_path):
    """The files of two hosts."""
    return {name: create(tmp_path / "keys", name) for name in ("robot", "desk")}


def end(keys, own, peer, url, listens):
    """One end of an encrypted link."""
    return Address(url, listens, own_keys(keys[own][1]), public_key(keys[peer][0]))


def received(link, *others):
    found = []

    def arrived():
        for other in others:
            other.receive()
        found.append(link.receive())
        return found[-1] is not None

    until(arrived)
    return found[-1]


def meet(one, other):
    def are_met():
        one.greet()
        one.receive()
        other.receive()
        return one.is_met and other.is_met

    until(are_met)


def test_messages_go_both_ways_between_two_ends_that_know_each_other(context, keys):
    listening = Link(context, end(keys, "robot", "desk", ANYWHERE, listens=True))
    connecting = Link(context, end(keys, "desk", "robot", listening.url, listens=False))
    meet(listening, connecting)
    data = codec.encode(joint_state(5))
    assert listening.send(Head(JOINTS, 7, 1), data) and connecting.send(Head(JOINTS, 8, 2), data)
    there, back = received(connecting), received(listening)
    assert (there.head, back.head) == (Head(JOINTS, 7, 1), Head(JOINTS, 8, 2))
    assert bytes(there.data) == data
    for link in (connecting, listening):
        link.close()


def test_a_host_with_another_key_or_without_one_is_not_let_in(context, keys, tmp_path):
    keys["stranger"] = create(tmp_path / "keys", "stranger")
    listening = Link(context, end(keys, "robot", "desk", ANYWHERE, listens=True))
    strangers = [
        Link(context, end(keys, "stranger", "robot", listening.url, listens=False)),
        Link(context, Address(listening.url, listens=False)),
    ]
    known = Link(context, end(keys, "desk", "robot", listening.url, listens=False))
    for link in strangers:
        link.greet()
    meet(known, listening)
    for link in strangers:
        link.receive()
        assert not link.is_met
    for link in (known, *strangers, listening):
        link.close()


def test_an_end_that_starts_again_is_met_again(context, keys):
    listening = Link(context, end(keys, "robot", "desk", ANYWHERE, listens=True))
    connecting = Link(context, end(keys, "desk", "robot", listening.url, listens=False))
    meet(connecting, listening)
    listening.close()
    again = Link(zmq.Context.instance(), end(keys, "robot", "desk", listening.url, listens=True))
    meet(again, connecting)
    assert again.send(Head(JOINTS, 7, 1), codec.encode(joint_state(5)))
    assert received(connecting).head.topic == JOINTS
    for link in (connecting, again):
        link.close()


def test_a_message_right_behind_the_answer_to_a_greeting_is_not_lost(context):
    one = Link(context, Address(ANYWHERE, listens=True))
    other = Link(context, Address(one.url, listens=False))
    until(lambda: other.greet() or one.receive() or one.is_met)
    assert one.send(Head(JOINTS, 7, 1), codec.encode(joint_state(5)))
    assert other.socket.poll(5000)
    until(lambda: other.receive() or other.is_met)  # as the node does before it can publish
    assert received(other).head.topic == JOINTS
    for link in (one, other):
        link.close()


def test_beyond_this_machine_keys_are_wanted():
    for url in ("tcp://*:7447", "tcp://0.0.0.0:7447", "tcp://192.168.0.7:7447", "tcp://robot.local:7447"):
        with pytest.raises(MessagingError, match="leaves this machine, and there are no keys"):
            Address(url, listens=True)
    for url in ("tcp://127.0.0.1:7447", "tcp://localhost:7447", "tcp://[::1]:7447"):
        assert Address(url, listens=False).url == url
    with pytest.raises(MessagingError, match="wanted an address such as tcp://"):
        Address("udp://127.0.0.1:7447", listens=False)


def test_keys_are_made_once_and_only_this_user_can_read_the_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wm(["keys", "robot"], standalone_mode=False)
    assert "keys/robot.key_secret" in capsys.readouterr().out
    secret, public = tmp_path / "keys" / "robot.key_secret", tmp_path / "keys" / "robot.key"
    assert secret.stat().st_mode & 0o077 == 0
    assert own_keys(secret).public == public_key(public)
    with pytest.raises(MessagingError, match=r"robot.key: exists already"):
        wm(["keys", "robot"], standalone_mode=False)
    with pytest.raises(MessagingError, match="holds a public key, wanted the own host's"):
        own_keys(public)
    with pytest.raises(MessagingError, match="never copy a secret"):
        public_key(secret)
    secret.chmod(0o644)
    with pytest.raises(MessagingError, match="other users can read it: chmod 600"):
        own_keys(secret)
    public.write_text("no key")
    with pytest.raises(MessagingError, match="not a key file"):
        public_key(public)


def test_a_link_that_cannot_work_is_refused_before_anything_starts():
    kind = node_class(find("nodes/link.py"))
    wrong = {
        "wanted either `listen` or `connect`": {},
        "/plan cannot be sent and received": {
            "connect": "tcp://127.0.0.1:1",
            "send": ["/plan"],
            "receive": ["/plan"],
        },
        "unknown topic '/plam', did you mean '/plan'": {"connect": "tcp://127.0.0.1:1", "send": ["/plam"]},
        "leaves this machine": {"listen": "tcp://*:7447"},
    }
    for text, params in wrong.items():
        with pytest.raises((ConfigError, MessagingError), match=text):
            kind.check(kind.Params(**params))


def test_the_node_publishes_what_it_expects_with_its_age_and_drops_the_rest(bench, context):
    other = Link(context, Address(ANYWHERE, listens=True))
    answering = threading.Thread(target=lambda: until(lambda: other.receive() or other.is_met))
    answering.start()
    made = bench("link", "realtime", connect=other.url, send=("/plan",), receive=(JOINTS,))
    answering.join()
    sent = []
    made.bus.publish_raw = lambda topic, data, origin_ns=None: sent.append((topic, bytes(data), origin_ns))
    data = codec.encode(joint_state(5))
    for topic, kind in ((JOINTS, frames_of(JOINTS).type_hash), (JOINTS, 1), ("/plan", 0)):
        other.send(Head(topic, 1000, kind), data)
    until(lambda: made.node.spin_once() or len(made.node.refused) == 2)
    assert sent == [(JOINTS, data, made.clock.now_ns() - 1000)]
    assert made.node.refused == {JOINTS, "/plan"}
    other.close()
