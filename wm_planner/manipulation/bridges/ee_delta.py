"""The controller of an arm: /plan and /joint_states in, joint targets within limits on /command out."""

from pathlib import Path
from typing import Annotated

import msgspec

from wm_planner import config, share
from wm_planner.control.admissibility import Admissibility
from wm_planner.control.clearance import Clearance, KeepOut
from wm_planner.control.ee_delta import TOOL_SITE, EndEffectorDelta, load_model
from wm_planner.control.fingers import Fingers
from wm_planner.control.motion_limits import MotionLimits
from wm_planner.errors import PluginError, placed
from wm_planner.manipulation.bridges.arm_control import ArmControl
from wm_planner.manipulation.bridges.tool_facts import tool_facts
from wm_planner.node.facts import Facts
from wm_planner.world_models.physics.drives import JointDrives


class EndEffectorControl(ArmControl):
    """Executes actions of the tool, see `control.tool_action`; see `bridges.controllers.Controller`.

    Raises:
        SimulationError: if the robot's MJCF cannot be compiled, an element is missing, or its actuators do
            not suit the control.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The controlled robot.

        Attributes:
            robot: path of an MJCF with a keyframe `home`, and numerics `workspace` and
                `joint_velocity_limits`, and `joint_acceleration_limits` and `joint_jerk_limits` if it has
                them. The joints with an actuator that the arm carries, if there are any, are its gripper;
                those of hinges need a numeric `gripper`.
            tool: the site that is the tool point; where the MJCF has several arms, it chooses one.
            keep_out: boxes in the base frame that no part of the arm enters.
            margin_m: distance that the parts of the arm keep from each other and from the boxes.
        """

        robot: str
        tool: str = TOOL_SITE
        keep_out: tuple[KeepOut, ...] = ()
        margin_m: Annotated[float, msgspec.Meta(ge=0, le=0.04)] = 0.01

    @classmethod
    def check(cls, config: Config) -> None:
        """Check that the file of the robot exists, and that it can be an MJCF.

        Raises:
            PluginError: with the closest known name.
        """
        if Path(config.robot).suffix == ".urdf":
            raise PluginError(
                f"robot: {config.robot} is a URDF, which has no home posture and no workspace; wanted an "
                "MJCF with both, such as sim/panda_reach.xml (the Panda of PyBullet has a controller of its "
                "own: control: {type: bullet})"
            )
        share.find(config.robot, root="mujoco")

    @classmethod
    def facts(cls, config: Config) -> Facts:
        """Which actions the robot can carry out.

        Raises:
            SimulationError: as for the class.
        """
        return tool_facts(cls(config).no_gripper)

    def __init__(self, config: Config) -> None:
        file = share.find(config.robot, root="mujoco")
        model = load_model(file)
        control = EndEffectorDelta.of(model, config.tool)
        fingers = Fingers.of(model, control)
        if model.nu:  # the description of a real robot may have no actuators
            with placed(config.robot):
                JointDrives.of(model, (*control.joints, *(fingers.joints if fingers else ())), "position")
        none = f"{config.robot} has none (a joint with an actuator that the arm carries)"
        clearance = Clearance.of_file(file, control.joints, control.home, config.keep_out)
        super().__init__(
            control,
            fingers,
            "" if fingers else none,
            Admissibility(control, clearance, config.margin_m),
            MotionLimits.of_model(model, control),
        )
