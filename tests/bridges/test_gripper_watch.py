"""A gripper position that counts the other way, or in m, is refused by perception."""

import msgspec
import numpy as np
import pytest
from point_mass import action_spec, make_card, write_bundle
from seen_arm import POSE_CHANGE

from wm_planner.bridges.gripper_watch import GripperWatch
from wm_planner.bridges.messages import goal_message
from wm_planner.contracts.card import LatentSpec, ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m

POSE = Quantity(name="tcp_pose", size=7, unit="m, rad, share closed")
CARD = make_card(
    POSE_CHANGE, observation=ObservationSpec(state=(POSE,)), latents=(LatentSpec(name="z", shape=(7,)),)
)
TICK = 1_000_000_000


def pose(gripper):
    return np.array([0.5, 0.0, 0.2, 3.0, 0.0, 0.0, gripper])


def action(change):
    return np.array([0.0] * 6 + [change], np.float32)


def watched(changes, positions, card=CARD):
    """Positions after actions that change the gripper; the first one is before any action."""
    watch = GripperWatch(card)
    for change, position in zip([None, *changes], positions, strict=True):
        watch.look(Observation({}, {"tcp_pose": pose(position)}), None if change is None else action(change))


def test_a_gripper_that_does_what_it_is_told_passes():
    watched([0.75, 0.5, -0.75, -0.5, 0.3], [0.0, 0.75, 1.0, 0.25, 0.0, 0.3])


def test_a_gripper_that_is_blocked_or_late_passes():
    watched([0.75] * 6, [0.06] * 7)  # it holds something wide
    watched([0.75, -0.75, 0.75, 0.75, -0.75], [0.0, 0.0, 0.75, 0.0, 0.75, 1.0])  # always one step late


@pytest.mark.parametrize("largest", [0.08, 1.0])
def test_an_opening_in_metres_or_as_a_share_is_refused(largest):
    openings = [largest * share for share in (1.0, 0.5, 0.1, 0.6)]
    watched([0.5, 0.4], openings[:3])
    with pytest.raises(InputError, match=r"tcp_pose\[6\] moved against dgripper 3 times in a row"):
        watched([0.5, 0.4, -0.5], openings)


def test_changes_that_are_too_small_to_tell_are_left_out():
    watched([0.2] * 4, [0.8, 0.6, 0.4, 0.2, 0.0])
    watched([0.75] * 4, [0.5, 0.499, 0.498, 0.497, 0.496])


def test_without_a_pose_or_a_gripper_nothing_is_watched():
    other = msgspec.structs.replace(CARD, action=action_spec(7))
    watched([0.5] * 4, [1.0, 0.8, 0.6, 0.4, 0.2], other)
    position = make_card(action_spec(3))
    GripperWatch(position).look(Observation({}, {"position": np.zeros(3)}), np.zeros(3))


def test_perception_drops_the_pose_of_a_gripper_in_metres_by_name_until_the_next_goal(
    bench, tmp_path, caplog
):
    write_bundle(tmp_path / "arm", CARD)
    made = bench("perception", world_model=str(tmp_path / "arm"))

    def goal(number):
        made.deliver("/goal", goal_message(number, Observation({}, {"tcp_pose": pose(0.0)}), 0))

    def see(tick, position, change):
        made.deliver("/signal/tcp_pose", m.signal("tcp_pose", pose(position), tick * TICK))
        seen = [m.stamp_ns(message) // TICK for message in made.take("/latent")]
        names, units = list(POSE_CHANGE.names), list(POSE_CHANGE.units)
        made.deliver("/action", m.Action(m.header(tick * TICK), names, units, action(change), False))
        return seen

    goal(1)
    assert [see(tick, opening, 0.4) for tick, opening in enumerate((0.08, 0.06, 0.04), 1)] == [[1], [2], [3]]
    assert see(4, 0.02, -0.4) == []
    assert "dropped /signal/tcp_pose: tcp_pose[6] moved against dgripper 3 times in a row" in caplog.text
    goal(2)
    assert see(5, 0.02, -0.4) == [5]
