"""The pose of a tool in a data set, to which its actions are added."""

from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.networks.vjepa2_ac import POSE_SIZE
from wm_planner.training.data_spec import DataSpec

POSES = ("tcp_pose", "tcp_position")
"""States that can serve as the pose, in order of preference: all 7 components, or only the position, with
zero rotation and gripper."""


def pose_of(data: DataSpec) -> Quantity:
    """The state that serves as the pose.

    Raises:
        ConfigError: if the data has no pose, or the actions have other components.
    """
    known = [quantity.name for quantity in data.state]
    name = next((name for name in POSES if name in known), None)
    if name is None:
        raise ConfigError(f"the data has no pose, wanted one of {POSES}, {did_you_mean(POSES[0], known)}")
    pose, size = data.quantity(name), len(data.action.names)
    if pose.size != size or size not in (3, POSE_SIZE):
        raise ConfigError(
            f"{name} has {pose.size} components, the action {size}: wanted 3 for a position or {POSE_SIZE} "
            "for a pose in both, because actions are added to it"
        )
    return pose
