"""The controller of an arm: /plan and /joint_states in, joint targets within limits on /command out."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.bridges.messages import actions_of, joints_of
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Hold, Limits
from wm_planner.messaging import messages as m


class EndEffectorControl:
    """Executes displacements of the tool point; see `bridges.controllers.Controller`.

    Raises:
        SimulationError: if the robot's MJCF cannot be compiled, or an element is missing.
    """

    state_topic, command_topic = "/joint_states", "/command"
    reports_action = True

    class Config(config.Config, frozen=True, kw_only=True):
        """The controlled robot.

        Attributes:
            robot: path of an MJCF with a site `tcp`, a keyframe `home`, and numerics `workspace` and
                `joint_velocity_limits`.
        """

        robot: str

    @classmethod
    def check(cls, config: Config) -> None:
        """Check that the file of the robot exists.

        Raises:
            PluginError: with the closest known name.
        """
        share.find(config.robot, root="mujoco")

    def __init__(self, config: Config) -> None:
        self.control = EndEffectorDelta.load(share.find(config.robot, root="mujoco"))
        self.limits = Limits(*self.control.bounds)
        self._hold = Hold()
        self._clipped = 0
        self._last: m.Message = None
        self.executed: NDArray[np.float32] | None = None

    def reset(self) -> None:
        """Nothing to reset between episodes."""

    def fault(self, state: m.Message) -> str:
        q = joints_of(state, self.control.joints)
        bad = [name for name, value in zip(self.control.joints, q, strict=True) if not np.isfinite(value)]
        return f"the measured position of {', '.join(bad)} is not finite" if bad else ""

    def observe(self, state: m.Message) -> None:
        self._q = joints_of(state, self.control.joints)
        self._stamp_ns = m.stamp_ns(state)

    def command(self, plan: m.Message, step: int) -> m.Message:
        self._hold.release()
        planned = actions_of(plan)[step]
        action = planned.astype(np.float64)
        message = self._limited(self.control.command(self._q, action), plan.dt_s)
        if self._is_free and self._is_within(action):
            self.executed = planned
        return message

    def stop(self, period_s: float) -> m.Message:
        """Hold the posture that was measured when holding began."""
        return self._limited(self._hold.at(self._q), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """The last joint targets again, which the servos hold."""
        self.executed = np.zeros_like(self.executed)
        return None if self._last is None else dataclasses.replace(self._last, header=m.header(stamp_ns))

    def _is_within(self, action: Floats) -> bool:
        """Whether the target of an action (3,) needs no clipping to the workspace."""
        tcp = self.control.position(self._q)
        return bool(np.array_equal(self.control.target(tcp, action), tcp + action))

    @property
    def figures(self) -> dict[str, str]:
        return {"clipped": str(self._clipped)}

    def _limited(self, command: Floats, period_s: float) -> m.Message:
        limited = self.limits.apply(command, self._q, period_s)
        self._clipped += bool(limited.clipped.any())
        at_limit = (limited.command <= self.limits.low) | (limited.command >= self.limits.high)
        self._is_free = not (limited.clipped | at_limit).any()
        moved = self.control.position(limited.command) - self.control.position(self._q)
        self.executed = moved.astype(np.float32)
        self._last = m.joint_trajectory(
            self.control.joints, limited.command[None], RAMP * period_s, self._stamp_ns
        )
        return self._last
