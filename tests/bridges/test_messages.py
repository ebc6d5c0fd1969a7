import numpy as np
import pytest

from wm_planner.bridges.messages import (
    actions_of,
    goal_message,
    goal_of,
    joints_of,
    observation_of,
    plan_message,
    sensor_messages,
    signal_messages,
    state_topic,
)
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Goal
from wm_planner.errors import InputError
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
JOINTS = ("a", "b")


def over_the_wire(topic: str, message: m.Message) -> m.Message:
    return codec.decode(topics.find(topic).type, codec.encode(message))


def test_an_observation_survives_the_wire():
    seen = Observation(
        images={"front": PICTURE, "side": PICTURE[::-1].copy()},
        state={
            "joint_positions": np.array([0.1, 0.2]),
            "joint_velocities": np.array([0.0, 1.0]),
            "tcp_position": np.array([0.5, -0.1, 0.3]),
        },
        stamp_ns=1_200_000_000,
    )
    sent = sensor_messages(seen, JOINTS, seen.stamp_ns)
    got = observation_of(
        {t: over_the_wire(t, msg) for t, msg in sent.items() if t not in ("/clock", "/joint_states")},
        ("front", "side"),
    )
    assert got.stamp_ns == seen.stamp_ns
    np.testing.assert_array_equal(got.state["tcp_position"], seen.state["tcp_position"])
    for name in seen.images:
        np.testing.assert_array_equal(got.images[name], seen.images[name])
    joints = over_the_wire("/joint_states", sent["/joint_states"])
    np.testing.assert_array_equal(joints_of(joints, ("b", "a")), [0.2, 0.1])


def test_a_goal_is_its_pictures_and_nothing_else():
    message = over_the_wire("/goal", goal_message(7, Observation(images={"front": PICTURE}), 5))
    assert message.id == 7
    assert len(message.pose) == 0
    np.testing.assert_array_equal(goal_of(message, ("front",)).images["front"], PICTURE)


def test_a_goal_is_told_in_states_pose_and_text():
    pose = np.array([0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0])
    goal = Goal({}, {"block": np.array([0.4, 0.5])}, pose=pose, text="push it there")
    message = over_the_wire("/goal", goal_message(7, goal, 5))
    assert message.pose[0].position.y == 0.2 and message.text == "push it there"
    told = goal_of(message, (), ("block", "tcp_position"))
    assert list(told.state) == ["block"]
    np.testing.assert_array_equal(told.state["block"], [0.4, 0.5])


def test_sub_goals_arrive_in_order_with_their_steps():
    before = Goal({"front": PICTURE}, steps=4), Goal({"front": PICTURE[::-1].copy()}, steps=10)
    message = over_the_wire("/goal", goal_message(7, Goal({"front": PICTURE}, steps=4, before=before), 5))
    got = goal_of(message, ("front",))
    assert [stage.steps for stage in (*got.before, got)] == [4, 10, 4]
    np.testing.assert_array_equal(got.before[1].images["front"], PICTURE[::-1])
    message.steps = message.steps[:2]
    with pytest.raises(InputError, match=r"goal 7 has steps for 2 goals, and pictures: \{'front': 3\}"):
        goal_of(message, ("front",))


def test_a_goal_that_shows_nothing_is_no_goal_to_encode():
    message = over_the_wire("/goal", goal_message(7, Observation(images={}), 5))
    assert goal_of(message, ("front",)) is None
    assert goal_of(message, (), ("block",)) is None


def test_a_state_has_one_topic_and_survives_the_wire():
    seen = Observation({"render": PICTURE}, {"observation": np.array([0.5, -1.0, 8.0], np.float32)}, 40)
    sent = signal_messages(seen, 40)
    assert set(sent) == {"/clock", state_topic("observation"), "/camera/render/image_raw"}
    del sent["/clock"]
    got = observation_of({t: over_the_wire(t, msg) for t, msg in sent.items()}, ("render",), ("observation",))
    assert got.stamp_ns == 40
    np.testing.assert_array_equal(got.state["observation"], seen.state["observation"])
    np.testing.assert_array_equal(got.images["render"], PICTURE)


def test_joint_states_carry_positions_and_velocities():
    message = over_the_wire("/joint_states", m.joint_state(JOINTS, [0.1, 0.2], 5, [1.0, 2.0]))
    got = observation_of({"/joint_states": message}, (), ("joint_positions", "joint_velocities"))
    np.testing.assert_array_equal(got.state["joint_velocities"], [1.0, 2.0])


def test_a_goal_without_a_camera_the_model_needs_is_refused():
    message = goal_message(7, Observation(images={"front": PICTURE}), 5)
    with pytest.raises(InputError, match=r"pictures of \['front'\], the model needs also \['side'\]"):
        goal_of(message, ("front", "side"))


def test_a_plan_survives_the_wire():
    actions = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    spec = ActionSpec(names=("x", "y"), units=("m", "m"), low=(-1, -1), high=(1, 1))
    sent = plan_message(1, actions, spec, 0.2, 400, execute_steps=1, fallback=False)
    np.testing.assert_array_equal(actions_of(over_the_wire("/plan", sent)), actions)


def test_joints_of_another_robot_are_named():
    joints = m.joint_state(JOINTS, [0.0, 0.0], 0)
    with pytest.raises(InputError, match=r"lacks \['c'\]"):
        joints_of(joints, ("a", "c"))
