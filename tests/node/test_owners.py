"""A topic that steers a robot is taken from one publisher at a time."""

import pytest
from arm_messages import TICK, controller, joint_states, plan
from msgspec.structs import replace
from node_bench import envelope

from wm_planner.messaging import codec
from wm_planner.messaging.wire import Delivery

FIRST, SECOND = 7, 8


@pytest.fixture
def made(bench):
    made = controller(bench)
    made.bus.publishers = {FIRST: "planner", SECOND: "rogue"}
    return made


def offer(made, publisher, tick):
    message = plan(tick * TICK)
    sent = replace(envelope(), publisher_id=publisher)
    made.node._dispatch(iter([Delivery("/plan", codec.type_of(message), sent, codec.encode(message))]))


def test_a_second_publisher_of_plans_is_named_and_ignored(made, caplog):
    offer(made, FIRST, 0)
    good = made.node.plan
    for _ in range(3):
        offer(made, SECOND, 1)
    assert made.node.plan is good and made.node.inputs["/plan"].count == 1
    told = "/plan of node 'rogue' is ignored: node 'planner' publishes it; stop one of them"
    assert caplog.text.count(told) == 1
    made.node._publish_diagnostics()
    assert told in made.take("/diagnostics")[-1].status[0].message


def test_a_topic_passes_on_once_its_owner_is_gone(made, caplog):
    offer(made, FIRST, 0)
    offer(made, SECOND, 1)
    made.bus.publishers = {SECOND: "planner"}
    offer(made, SECOND, 2)
    made.deliver("/joint_states", joint_states(2 * TICK))
    assert len(made.take("/command")) == 1
    offer(made, FIRST, 3)  # what was still on its way
    assert made.node.plan.header.stamp.nanosec == 2 * TICK
    assert not made.node._owners._ignored.get(("/plan", SECOND))


def test_a_recorder_takes_what_others_ignore(made):
    heard = []
    made.node.tap("/plan", heard.append)
    offer(made, FIRST, 0)
    offer(made, SECOND, 0)
    assert [each.envelope.publisher_id for each in heard] == [FIRST, SECOND]


def test_topics_that_may_have_several_publishers_have_no_owner(made):
    sent = [
        Delivery("/signal/force", "", replace(envelope(), publisher_id=each), b"") for each in (FIRST, SECOND)
    ]
    assert all(map(made.node._owners.accepts, sent))
