"""The controller of an arm whose actions are joint positions, velocities or torques."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.bridges.messages import actions_of
from wm_planner.bridges.statements import ACTION, COMMAND, POSITIONS, components
from wm_planner.control.ee_delta import RAMP, load_model
from wm_planner.control.kinematics import Floats
from wm_planner.control.motors import has_motors
from wm_planner.errors import InputError, SimulationError
from wm_planner.manipulation.bridges.ee_delta import EndEffectorControl
from wm_planner.manipulation.bridges.torque import TorqueControl
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts


class JointControl(EndEffectorControl):
    """Executes actions named like the robot's joints; see `bridges.controllers.Controller`.

    Raises:
        SimulationError: if the robot's MJCF cannot be compiled, or an element is missing.
    """

    class Config(EndEffectorControl.Config, frozen=True, kw_only=True):
        """The controlled robot, and what its actions are.

        Attributes:
            mode: `position` for targets in rad; `velocity` for velocities in rad/s, which are kept for one
                step from the measured positions; `torque` for torques in N m, forces in N of slides, of a
                robot whose actuators are all motors, which needs neither a site `tcp` nor the other elements;
                torques refuse `keep_out`, and ignore `tool` and `margin_m`.
        """

        mode: Literal["position", "velocity", "torque"] = "position"

        def __post_init__(self) -> None:
            if self.mode == "torque" and self.keep_out:
                raise ValueError(
                    "torques do not keep an arm out of boxes: leave out keep_out, or change mode"
                )

    @classmethod
    def from_config(cls, config: Config) -> "JointControl | TorqueControl":
        """The controller of a mode.

        Raises:
            SimulationError: as for the class, or if the mode is not that of the robot's actuators.
        """
        if config.mode == "torque":
            return TorqueControl(config.robot)
        if has_motors(load_model(share.find(config.robot, root="mujoco"))):
            raise SimulationError(
                f"the actuators of {config.robot} are motors, which take torques, and the mode is "
                f"{config.mode}: set `mode: torque` (controller: params.control.mode)"
            )
        return cls(config)

    @classmethod
    def facts(cls, config: Config) -> Facts:  # type: ignore[override]
        """The action of the robot's joints.

        Raises:
            SimulationError: as for the class.
        """
        control, unit = cls.from_config(config), "rad" if config.mode == "position" else "rad/s"
        if isinstance(control, TorqueControl):
            return control.facts
        joints = control.control.joints
        return Facts(agrees={ACTION: components(joints, (unit,) * len(joints)), COMMAND: POSITIONS})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._mode = config.mode

    def command(self, plan: m.Message, step: int) -> m.Message:
        """Joint targets for one action of a plan, within the robot's limits.

        Raises:
            InputError: if the plan's actions are not those of the robot's joints.
        """
        if tuple(plan.action_names) != self.control.joints:
            raise InputError(
                f"/plan holds {', '.join(plan.action_names)}, the joints are {', '.join(self.control.joints)}"
                ": is the bundle of another robot?"
            )
        self._hold.release()
        planned = actions_of(plan)[step]
        action = planned.astype(np.float64)
        target = action if self._mode == "position" else self._q + action * plan.dt_s
        return self._limited(target, plan.dt_s, planned)

    def _at_rest(self, executed: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros_like(executed) if self._mode == "velocity" else executed

    def _limited(
        self, command: Floats, period_s: float, planned: NDArray[np.float32] | None = None
    ) -> m.Message:
        limited = self._reached(self.limits.apply(command, self._q, period_s), period_s, planned is None)
        self._clipped += bool(limited.clipped.any())
        done = limited.command if self._mode == "position" else (limited.command - self._q) / period_s
        as_planned = planned is not None and not limited.clipped.any()
        self.executed = planned if as_planned else done.astype(np.float32)  # to the last bit, unless clipped
        self._last = m.joint_trajectory(
            self.control.joints, limited.command[None], RAMP * period_s, self._stamp_ns
        )
        return self._last
