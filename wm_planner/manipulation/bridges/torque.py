"""The controller of a robot whose actions are the torques of its joints."""

import numpy as np
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.bridges.messages import actions_of, joints_of
from wm_planner.bridges.statements import ACTION, COMMAND, EFFORTS, components
from wm_planner.control.ee_delta import load_model
from wm_planner.control.kinematics import Floats
from wm_planner.control.motors import MotorHold, Motors
from wm_planner.control.safety import Hold
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts


class TorqueControl:
    """Sends torques within the motors' limits; see `bridges.controllers.Controller`.

    A hold keeps the posture that was measured when it began: with torques of zero an arm would fall.

    Args:
        robot: path of an MJCF whose actuators are motors.

    Raises:
        SimulationError: if it cannot be compiled, or has an actuator that is no motor.
    """

    state_topic, command_topic = "/joint_states", "/command"
    reports_action = True

    def __init__(self, robot: str) -> None:
        self.motors = Motors.of(load_model(share.find(robot, root="mujoco")))
        self._balance, self._hold = MotorHold(self.motors), Hold()
        self._clipped = 0
        self._period_s = 0.0
        self._posture: Floats | None = None
        self.executed: NDArray[np.float32] | None = None

    @property
    def facts(self) -> Facts:
        """The action, and that commands are torques."""
        action = components(self.motors.joints, self.motors.units)
        return Facts(agrees={ACTION: action, COMMAND: EFFORTS})

    def reset(self) -> None:
        """Nothing to reset between episodes."""

    def fault(self, state: m.Message) -> str:
        for field in ("position", "velocity"):
            values = joints_of(state, self.motors.joints, field)
            bad = [name for name, v in zip(self.motors.joints, values, strict=True) if not np.isfinite(v)]
            if bad:
                return f"the measured {field} of {', '.join(bad)} is not finite"
        return ""

    def observe(self, state: m.Message) -> None:
        self._q = self._posture = joints_of(state, self.motors.joints)
        self._velocity = joints_of(state, self.motors.joints, "velocity")
        self._stamp_ns = m.stamp_ns(state)

    def command(self, plan: m.Message, step: int) -> m.Message:
        """Torques for one action of a plan; a component that is not finite is replaced by that of a hold.

        Raises:
            InputError: if the plan's actions are not the torques of the robot's joints.
        """
        if tuple(plan.action_names) != self.motors.joints:
            raise InputError(
                f"/plan holds {', '.join(plan.action_names)}, the motors drive "
                f"{', '.join(self.motors.joints)}: is the bundle of another robot?"
            )
        self._hold.release()
        planned = actions_of(plan)[step]
        still = self._balance.torques(self._q, self._velocity, self._q, plan.dt_s)
        limited = self.motors.limits.apply(planned.astype(np.float64), still, plan.dt_s)
        is_free = not limited.clipped.any()
        self._clipped += not is_free
        self.executed = planned if is_free else limited.command.astype(np.float32)  # to the last bit
        return self._send(limited.command, plan.dt_s, self._stamp_ns)

    def stop(self, period_s: float) -> m.Message:
        """Hold the posture that was measured when holding began, against gravity."""
        torques = self._balance.torques(self._q, self._velocity, self._hold.at(self._q), period_s)
        self.executed = torques.astype(np.float32)
        return self._send(torques, period_s, self._stamp_ns)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """Compensate gravity in the posture that was measured last, without knowing whether it is left."""
        if self._posture is None or self._period_s == 0:
            return None
        still = np.zeros_like(self._posture)
        torques = self._balance.torques(self._posture, still, self._posture, self._period_s)
        self.executed = torques.astype(np.float32)
        return self._send(torques, self._period_s, stamp_ns)

    @property
    def figures(self) -> dict[str, str]:
        return {"clipped": str(self._clipped)}

    def _send(self, torques: Floats, period_s: float, stamp_ns: int) -> m.Message:
        self._period_s = period_s
        return m.joint_efforts(self.motors.joints, torques, period_s, stamp_ns)
