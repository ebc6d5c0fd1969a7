"""The commands on running nodes, against nodes of this process on a domain of their own."""

import json
import tempfile
import threading

import pytest
from toys import Peers, joint_state, new_domain_name, until

from wm_planner.cli.main import wm
from wm_planner.config import Config, Positive
from wm_planner.errors import ConfigError, MessagingError
from wm_planner.messaging import wire
from wm_planner.messaging.control import ControlServer
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.listener import Listener
from wm_planner.node import Node
from wm_planner.node.runner import Runner
from wm_planner.node.stop_signal import StopSignal


class Gainer(Node):
    """Answers requests about its parameters."""

    class Params(Config, frozen=True, kw_only=True):
        gain: float = 1.0
        steps: Positive = 3

    changeable = ("gain",)


@pytest.fixture
def short():
    """A folder whose path leaves room for the names of sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@pytest.fixture
def peers(short, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", short)
    peers = Peers(Domain.named(new_domain_name()))
    yield peers
    peers.close()


@pytest.fixture
def node(peers):
    """A node that answers on its control channel from a thread, as its process would."""
    bus = peers.add("gainer")
    address = peers.domain.address("gainer", "ctl")
    control = ControlServer(bus.context, address)
    bus.watch(control.socket, address)
    made = Gainer(bus, Gainer.Params(), "lockstep")
    made.enter("active")
    ends = threading.Event()

    def serve() -> None:
        while not ends.is_set():
            bus.wait(0.02)
            if (request := control.receive()) is not None:
                Runner(made, control, StopSignal()).answer(request)

    thread = threading.Thread(target=serve)
    thread.start()
    yield made
    ends.set()
    thread.join()
    control.close()


def told(capsys, *words):
    """What a command prints, read as JSON, line by line."""
    wm([*words, "--json"], standalone_mode=False)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def publishing(peers, topic, count):
    """Publish on a topic from a thread until a reader has come and `count` messages are sent."""
    writer = peers.join("writer", topic)

    def publish() -> None:
        writer.wait_for_readers({topic: 1}, 60.0)
        for stamp in range(count):
            writer.publish(topic, joint_state(stamp))
        writer.close()

    thread = threading.Thread(target=publish)
    thread.start()
    return thread


def test_topics_and_nodes_are_listed_with_their_publishers_and_readers(peers, capsys):
    peers.join("talker", "/joint_states", "/episode")
    peers.join("recorder", subscribes=wire.ANY)
    episode, joints = told(capsys, "topic", "list")[0]
    assert joints == {
        "name": "/joint_states",
        "type": "sensor_msgs/msg/JointState",
        "latched": False,
        "publishers": ["talker"],
        "readers": ["recorder"],
    }
    assert (episode["publishers"], episode["readers"], episode["latched"]) == (
        [],
        ["recorder", "talker"],
        True,
    )
    (recorder, talker) = told(capsys, "node", "list")[0]
    assert (recorder["reads"], talker["publishes"], talker["state"]) == (["*"], ["/joint_states"], "active")
    for command in (["topic", "list"], ["node", "list"]):
        wm(command, standalone_mode=False)
        assert "talker" in capsys.readouterr().out


def test_the_messages_of_a_topic_are_printed(peers, capsys):
    thread = publishing(peers, "/joint_states", 3)
    first, second = told(capsys, "topic", "echo", "/joint_states", "--count", "2")
    assert (first["name"], second["position"]) == (["a", "b"], [0.25, 1e-9])
    assert list(first) == ["header", "name", "position", "velocity", "effort"]
    thread.join()


def test_the_rate_of_a_topic_counts_all_its_messages_until_its_nodes_end(peers, capsys):
    thread = publishing(peers, "/joint_states", 5)
    *_, last = told(capsys, "topic", "hz", "/joint_states")
    assert (last["messages"], last["lost"]) == (5, 0)
    assert last["mean_hz"] > 0 and last["shortest_s"] <= last["longest_s"]
    thread.join()


def test_a_listener_has_no_record_so_that_no_node_waits_for_it(peers):
    thread = publishing(peers, "/joint_states", 1)
    until(lambda: peers.domain.endpoints())
    with Listener(peers.domain, "/joint_states") as listener:
        delivery = next(filter(None, listener.deliveries()))
        assert delivery.topic == "/joint_states"
        assert not any("/joint_states" in node.subscribes for node in peers.domain.endpoints())
    thread.join()


def test_a_parameter_that_a_node_says_can_change_is_changed(node, capsys):
    assert told(capsys, "param", "get", "gainer")[0] == {
        "params": {"gain": 1.0, "steps": 3},
        "changeable": ["gain"],
    }
    wm(["param", "set", "gainer", "gain", "2.5"], standalone_mode=False)
    assert node.params == Gainer.Params(gain=2.5)
    wm(["param", "get", "gainer", "gain"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == "gain: 2.5   # can change while it runs"


def test_another_parameter_or_value_is_refused_by_name(node):
    refused = {
        r"steps cannot change while the node runs \(those that can: gain\)": ["set", "gainer", "steps", "4"],
        "no parameter 'gian', did you mean 'gain'": ["set", "gainer", "gian", "4"],
        "gainer: gain: got 'much', wanted a number": ["set", "gainer", "gain", "much"],
        "no parameter 'x'": ["get", "gainer", "x"],
    }
    for text, words in refused.items():
        with pytest.raises(ConfigError, match=text):
            wm(["param", *words], standalone_mode=False)
    assert node.params == Gainer.Params()
    with pytest.raises(MessagingError, match=r"no node 'gaines' in domain .*, did you mean 'gainer'"):
        wm(["param", "get", "gaines"], standalone_mode=False)


def test_a_topic_or_domain_that_is_not_there_is_refused_by_name(peers):
    with pytest.raises(MessagingError, match="no node runs"):
        wm(["topic", "list"], standalone_mode=False)
    peers.join("talker", "/joint_states")
    with pytest.raises(MessagingError, match="publishes '/joint_state', did you mean '/joint_states'"):
        wm(["topic", "echo", "/joint_state"], standalone_mode=False)
    with pytest.raises(MessagingError, match="no node runs in domain 'other', known: test-"):
        wm(["node", "list", "--domain", "other"], standalone_mode=False)
    others = Peers(Domain.named(new_domain_name()))
    others.join("talker")
    with pytest.raises(MessagingError, match=r"nodes run in test-.*, test-.*; choose one by --domain"):
        wm(["node", "list"], standalone_mode=False)
    others.close()
