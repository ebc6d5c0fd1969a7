import msgspec
import pytest

from wm_planner import share
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.manipulation.bridges.launchable import unsupported_parts
from wm_planner.world_models.onnx.card_file import read_card


def card(name="panda_reach"):
    return read_card(share.find(f"models/bundles/{name}"))


@pytest.mark.parametrize("name", ["panda_reach", "panda_reach_small", "panda_reach_vjepa2_ac"])
def test_shipped_arm_bundles_can_be_launched(name):
    assert unsupported_parts(card(name)) == []


def test_the_joints_are_published():
    joints = Quantity(name="joint_positions", size=7, unit="rad")
    observation = msgspec.structs.replace(card().observation, state=(joints,))
    assert unsupported_parts(msgspec.structs.replace(card(), observation=observation)) == []


def test_a_state_without_a_topic_is_reported():
    pose = Quantity(name="tcp_pose", size=7, unit="m, rad")
    observation = msgspec.structs.replace(card().observation, state=(pose,))
    assert unsupported_parts(msgspec.structs.replace(card(), observation=observation)) == [
        "perception: an arm does not publish the state tcp_pose (7 values in m, rad), only tcp_position, "
        "joint_positions, joint_velocities"
    ]


@pytest.mark.parametrize(
    ("names", "units"),
    [(("dx", "dy", "dz", "dgripper"), ("m", "m", "m", "share")), (("dx", "dy", "z"), ("m",) * 3)],
)
def test_actions_without_a_controller_are_reported(names, units):
    count = len(names)
    action = ActionSpec(names=names, units=units, low=(-1.0,) * count, high=(1.0,) * count)
    (line,) = unsupported_parts(msgspec.structs.replace(card(), action=action))
    assert line.startswith(f"controller: none executes actions of {count} components ({names[0]} in m, ")
    assert "; ee_delta takes dx, dy, dz in m; then, for a tool that rotates, droll, dpitch, dyaw or " in line


def test_actions_that_rotate_and_grip_can_be_launched():
    names = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "dgripper")
    units = ("m", "m", "m", "rad", "rad", "rad", "share closed")
    action = ActionSpec(names=names, units=units, low=(-1.0,) * 7, high=(1.0,) * 7)
    assert unsupported_parts(msgspec.structs.replace(card(), action=action)) == []
