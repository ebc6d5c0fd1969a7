"""What the controllers of arms share: /joint_states in, joint targets within limits on /command out."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import actions_of, joints_of
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.executed import executed_displacement
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Hold, Limits
from wm_planner.messaging import messages as m


class ArmControl:
    """Executes displacements of the tool point; see `bridges.controllers.Controller`."""

    state_topic, command_topic = "/joint_states", "/command"
    reports_action = True

    def __init__(self, control: EndEffectorDelta) -> None:
        self.control = control
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
        command = self.control.command(self._q, planned.astype(np.float64))
        return self._limited(command, plan.dt_s, planned)

    def stop(self, period_s: float) -> m.Message:
        """Hold the posture that was measured when holding began."""
        return self._limited(self._hold.at(self._q), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """The last joint targets again, which the servos hold."""
        self.executed = None if self.executed is None else np.zeros_like(self.executed)
        return None if self._last is None else dataclasses.replace(self._last, header=m.header(stamp_ns))

    @property
    def figures(self) -> dict[str, str]:
        return {"clipped": str(self._clipped)}

    def _limited(
        self, command: Floats, period_s: float, planned: NDArray[np.float32] | None = None
    ) -> m.Message:
        limited = self.limits.apply(command, self._q, period_s)
        self._clipped += bool(limited.clipped.any())
        self.executed = executed_displacement(self.control, self.limits, self._q, limited, planned)
        self._last = m.joint_trajectory(
            self.control.joints, limited.command[None], RAMP * period_s, self._stamp_ns
        )
        return self._last
