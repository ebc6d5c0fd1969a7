"""A controller that is started again while a gripper holds something."""

import msgspec
import numpy as np
import pytest
from arm_messages import HOME, spin
from node_bench import envelope

from wm_planner.bridges.messages import plan_message
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.tool_action import ToolAction
from wm_planner.messaging import messages as m

JOINTS = (*(f"joint{i}" for i in range(1, 8)), "hand_left_finger", "hand_right_finger")
KIND = ToolAction("euler", "change")
HELD_M = 0.015  # of each finger from where it is closed: something is between them
RUN = msgspec.structs.replace(envelope(), publisher_id=2**61)


def made(bench, mode):
    return bench("controller", mode, control={"type": "ee_delta", "robot": "sim/panda_pick.xml"})


def states(bench_, opened_m=HELD_M):
    q = [*HOME, opened_m, opened_m]
    return m.joint_state(JOINTS, q, bench_.clock.now_ns(), np.zeros(len(q)))


def plan(bench_, gripper):
    names, units = zip(*KIND.components, strict=True)
    spec = ActionSpec(names=names, units=units, low=(-9.0,) * 7, high=(9.0,) * 7)
    actions = np.zeros((2, 7), np.float32)
    actions[:, 6] = gripper
    return plan_message(1, actions, spec, 0.2, bench_.clock.now_ns(), execute_steps=1, fallback=False)


def start(bench_, episode=1, envelope_=RUN):
    bench_.hear("/episode", m.running_episode(episode, bench_.clock.now_ns()), envelope_)


def step(bench_, gripper):
    """A tick of 0.2 s; the positions (N, 2) that the fingers were commanded to."""
    bench_.hear("/joint_states", states(bench_))
    bench_.hear("/plan", plan(bench_, gripper))
    spin(bench_, 0.2)
    sent = [message for message in bench_.take("/command") if "hand_left_finger" in message.joint_names]
    return np.array([message.points[0].positions[-2:] for message in sent])


def gripping(bench, mode):
    """The first controller, after it has closed on something."""
    first = made(bench, mode)
    start(first)
    for change in (1.0, 1.0, 1.0, 0.0, 0.0):
        closed = step(first, change)
    np.testing.assert_allclose(closed[-1], 0.0, atol=1e-9)
    return first


def respawned(bench, mode, before, **how):
    """A controller that finds what the one before, which was killed, has left in the domain."""
    second = made(bench, mode)
    (second.domain.path / "grip").write_bytes((before.domain.path / "grip").read_bytes())
    start(second, **how)
    return second


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_a_respawned_controller_holds_on_to_what_the_gripper_holds(bench, mode):
    second = respawned(bench, mode, gripping(bench, mode))
    np.testing.assert_allclose(step(second, 0.0), 0.0, atol=1e-9)  # from its first command on
    np.testing.assert_allclose(step(second, 0.0), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    "how",
    [{"episode": 2}, {"envelope_": msgspec.structs.replace(RUN, publisher_id=5)}],
    ids=["episode", "run"],
)
def test_the_grip_of_another_episode_is_not_taken_over(bench, how):
    second = respawned(bench, "realtime", gripping(bench, "realtime"), **how)
    np.testing.assert_allclose(step(second, 0.0), HELD_M, atol=1e-9)


def test_fingers_that_had_not_arrived_go_on_from_where_they_are(bench):
    first = made(bench, "realtime")
    start(first)
    first.hear("/joint_states", states(first, opened_m=0.04))
    first.hear("/plan", plan(first, 1.0))
    spin(first, 0.02)
    second = respawned(bench, "realtime", first)
    fingers = step(second, 0.0)
    assert HELD_M - 1e-3 < fingers[0].min() < HELD_M
    np.testing.assert_allclose(step(second, 0.0)[-1], 0.0, atol=1e-6)


def test_a_controller_that_ends_orderly_leaves_no_grip(bench):
    first = gripping(bench, "realtime")
    first.node.cleanup()
    assert not (first.domain.path / "grip").exists()
