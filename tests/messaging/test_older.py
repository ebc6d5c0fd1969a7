"""Recordings made before fields were appended to a type."""

import math

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from wm_planner.errors import MessagingError
from wm_planner.messaging.messages import definition
from wm_planner.messaging.older import OlderType, is_older, layout

NAME = "wm_planner_msgs/msg/Episode"
TODAY = definition(NAME)
BEFORE = TODAY.replace("float64 total_reward\n", "")


def recorded_before():
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register({NAME: get_types_from_msg(BEFORE, NAME)[NAME]})
    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="")
    goal = np.array([0.5, 0.0, 0.3])
    message = types[NAME](header, 3, 2, "ended", 30, 0.01, True, "", goal)
    return bytes(store.serialize_cdr(message, NAME))


def test_fields_appended_since_are_filled_with_blanks():
    assert is_older(NAME, BEFORE)
    message = OlderType(NAME, BEFORE).decode(recorded_before())
    assert (message.id, message.seed, message.success) == (3, 2, True)
    np.testing.assert_array_equal(message.goal_position, [0.5, 0.0, 0.3])
    assert math.isnan(message.total_reward)


def test_text_and_sequences_appended_since_are_empty():
    name = "wm_planner_msgs/msg/Goal"
    since = "wm_planner_msgs/NamedArray[] states\nstring text\nuint32[] steps\n"
    before = definition(name).replace(since, "", 1)
    assert before != definition(name) and is_older(name, before)
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    types_before = get_types_from_msg(before, name)
    store.register({key: fields for key, fields in types_before.items() if key not in types})
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "")
    route = types["nav_msgs/msg/Path"](header, [])
    data = bytes(store.serialize_cdr(store.types[name](header, 7, [], [], [], route), name))
    message = OlderType(name, before).decode(data)
    assert (message.id, message.states, message.text, len(message.steps)) == (7, [], "", 0)


def test_bytes_that_are_cut_off_are_refused():
    with pytest.raises(MessagingError, match="are not a wm_planner_msgs/msg/Episode"):
        OlderType(NAME, BEFORE).decode(recorded_before()[:-8])


@pytest.mark.parametrize(
    "changed",
    [
        TODAY.replace("uint64 seed", "uint32 seed"),
        TODAY.replace("uint64 seed\n", ""),
        TODAY.replace("int32 sec", "int64 sec"),
        TODAY.replace("float64 total_reward\n", "float64 total_reward\nfloat64 later\n"),
    ],
)
def test_any_other_difference_is_another_type(changed):
    assert changed != TODAY and not is_older(NAME, changed)


def test_a_layout_ignores_comments_and_blanks():
    assert layout(NAME, TODAY) == layout(
        NAME, TODAY.replace("uint64 seed", "uint64   seed  # of the episode")
    )
