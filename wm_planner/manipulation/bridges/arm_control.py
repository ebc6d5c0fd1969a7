"""What the controllers of arms share: /joint_states in, joint targets within limits on /command out."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import actions_of, joints_of
from wm_planner.bridges.statements import components
from wm_planner.control.admissibility import Admissibility
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.executed import executed_displacement
from wm_planner.control.fingers import Fingers
from wm_planner.control.joint_motion import JointMotion
from wm_planner.control.kept_grip import Grip
from wm_planner.control.kinematics import Floats
from wm_planner.control.motion_limits import MotionLimits
from wm_planner.control.safety import Hold, Limited, Limits
from wm_planner.control.tool_action import ToolAction
from wm_planner.errors import InputError
from wm_planner.manipulation.bridges.tool_facts import refusal
from wm_planner.messaging import messages as m

_ARRIVED = 1e-6  # m or rad, at which fingers have reached their target
_STRAY = 0.5  # of the range of a joint, by which a measured position may be outside of it
_FARTHEST = 1e4  # rad or m, of joints without bounds


class ArmControl:
    """Executes actions of the tool, see `control.tool_action`; see `bridges.controllers.Controller`.

    Paced, it commands set-points at a fixed rate, within limits of acceleration and jerk too, and enters
    admissible postures only; otherwise it commands one target per step, which the robot moves to by itself.

    Args:
        control: of the arm.
        fingers: of its gripper; None if it has none.
        no_gripper: why it has none; "" if it has one.
        admissibility: of postures; by default only the workspace counts.
        limits: of the arm's motion; by default of its bounds.
    """

    state_topic, command_topic = "/joint_states", "/command"
    reports_action = True

    def __init__(
        self,
        control: EndEffectorDelta,
        fingers: Fingers | None = None,
        no_gripper: str = "",
        admissibility: Admissibility | None = None,
        limits: MotionLimits | None = None,
    ) -> None:
        self.control, self.fingers, self.no_gripper = control, fingers, no_gripper
        self.admissibility = admissibility or Admissibility(control)
        self.motion_limits = limits or MotionLimits.of(*control.bounds)
        self._motion: JointMotion | None = None
        self._finger_motion: JointMotion | None = None
        self.obstacle = ""
        self._kind = ToolAction()
        self._opening: float | None = None
        self._taken_over: Grip | None = None
        self.limits = Limits(*self.control.bounds, coupled=self.control.coupled)
        self._hold = Hold()
        self._clipped = 0
        self._last: m.Message = None
        self.executed: NDArray[np.float32] | None = None

    def reset(self) -> None:
        """Forget the gripper's target: the next episode begins with another opening."""
        self._opening = self._taken_over = None

    @property
    def grip(self) -> Grip | None:
        if self._opening is None or self.fingers is None:
            return None
        now = self._finger_motion.now if self._finger_motion else None
        target = self.fingers.positions(self._opening)
        is_reached = now is not None and np.allclose(now.position, target, atol=_ARRIVED)
        return Grip(self._opening, bool(is_reached))

    def take_over(self, grip: Grip) -> None:
        """Go on from the target of the controller before: its fingers may hold something by it."""
        self._opening, self._taken_over = grip.opening, grip

    def pace(self, rate_hz: float) -> None:
        """Command set-points at `rate_hz`, by `set_point`, from the first measured posture on."""
        self._motion = JointMotion(self.motion_limits, 1 / rate_hz, self.admissibility.admits)
        if self.fingers:
            limits = self.fingers.limits
            self._finger_motion = JointMotion(
                MotionLimits.of(limits.low, limits.high, limits.rate), 1 / rate_hz
            )

    def set_point(self, stamp_ns: int) -> m.Message | None:
        """The next set-point of the joints; None before the first measured posture."""
        motion, grip = self._motion, self._finger_motion
        if motion is None or motion.now is None:
            return None
        joints, positions = self.control.joints, motion.advance().position
        if motion.blocked is not None:
            self.obstacle = self.admissibility.why(motion.blocked)
        if self.fingers and grip is not None and grip.now is not None:
            joints, positions = (
                (*joints, *self.fingers.joints),
                np.append(positions, grip.advance().position),
            )
        return m.joint_trajectory(joints, positions[None], motion.period_s, stamp_ns)

    def fault(self, state: m.Message) -> str:
        q = joints_of(state, self._joints)
        bad = [name for name, value in zip(self._joints, q, strict=True) if not np.isfinite(value)]
        if bad:
            return f"the measured position of {', '.join(bad)} is not finite"
        low, high = self._bounds
        allowed = np.minimum(_STRAY * (high - low), _FARTHEST)
        for place in np.flatnonzero(np.maximum(low - q, q - high) > allowed)[:1]:
            return (
                f"the measured position of {self._joints[place]} is {q[place]:g}, far outside of its bounds "
                f"{low[place]:g} to {high[place]:g}"
            )
        return ""

    def observe(self, state: m.Message) -> None:
        self._state, self._q = state, joints_of(state, self.control.joints)
        self._stamp_ns = m.stamp_ns(state)
        if self._motion is not None and self._motion.now is None:
            self._motion.rest(self._q)

    def command(self, plan: m.Message, step: int) -> m.Message:
        """Joint targets for one action of a plan, within the robot's limits.

        A gripper that is to change by zero keeps its target, not its position: fingers that hold something
        are stopped by it, and would let go of it.

        Raises:
            InputError: if the robot cannot carry out the plan's actions, or its fingers are not measured.
        """
        self._kind = self._kind_of(plan)
        self._hold.release()
        planned = actions_of(plan)[step]
        action = planned.astype(np.float64)
        command = self.control.command(self._q, action[:3], self._kind.matrix(action))
        keeps = self._kind.gripper == "change" and action[-1] == 0 and self._opening is not None
        if self.fingers and self._kind.has_gripper and np.isfinite(action[-1]) and not keeps:
            measured = self.fingers.opening(joints_of(self._state, self.fingers.joints))
            self._opening = float(np.clip(self._kind.opening(action[-1], measured), 0.0, 1.0))
        return self._limited(command, plan.dt_s, planned)

    def stop(self, period_s: float) -> m.Message:
        """Hold the posture that was measured when holding began; a gripper keeps its last target."""
        return self._limited(self._hold.at(self._q), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """The last joint targets again, which the servos hold; paced, the arm comes to rest."""
        if self._motion is not None:
            self._motion.stop()
        if self.executed is not None:
            self.executed = self._at_rest(self.executed)
        return None if self._last is None else dataclasses.replace(self._last, header=m.header(stamp_ns))

    @property
    def figures(self) -> dict[str, str]:
        obstacle = {"obstacle": self.obstacle} if self.obstacle else {}
        return {"clipped": str(self._clipped)} | obstacle

    def _at_rest(self, executed: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action (A,) that keeps the last targets, after that of the last command, (A,)."""
        still = np.zeros_like(executed)
        if self._kind.gripper == "opening":
            still[-1] = executed[-1]
        return still

    def _limited(
        self, command: Floats, period_s: float, planned: NDArray[np.float32] | None = None
    ) -> m.Message:
        limited = self._reached(self.limits.apply(command, self._q, period_s), period_s, planned is None)
        clipped, targets = bool(limited.clipped.any()), limited.command
        arm = None if planned is None else planned[: self._kind.arm_size]
        self.executed = executed_displacement(self.control, self.limits, self._q, limited, arm, self._kind)
        if self.fingers and self._kind.has_gripper:
            fingers, component = self._grip(self.fingers, period_s, None if planned is None else planned[-1:])
            clipped, targets = clipped or bool(fingers.clipped.any()), np.append(targets, fingers.command)
            self.executed = np.concatenate([self.executed, component])
        self._clipped += clipped
        self._last = m.joint_trajectory(self._joints, targets[None], RAMP * period_s, self._stamp_ns)
        return self._last

    def _reached(self, limited: Limited, period_s: float, holds: bool) -> Limited:
        """What the joints will have reached of a target within its limits, (J,), after a period."""
        motion = self._motion
        if motion is None:
            if holds or self.admissibility.admits(q := limited.command, self._q):
                return limited
            self.obstacle = self.admissibility.why(q)
            return Limited(self._q, np.full(q.shape, fill_value=True))
        if holds:
            motion.stop()
        else:
            motion.aim(limited.command, RAMP * period_s)
        reached = motion.after(period_s).position
        if np.allclose(reached, limited.command, rtol=0, atol=1e-7):
            return limited  # to the last bit
        return Limited(reached, limited.clipped | (np.abs(reached - limited.command) > 1e-7))

    @property
    def _joints(self) -> tuple[str, ...]:
        """The joints that are measured and commanded: the fingers too, once a plan moves them."""
        gripper = self.fingers.joints if self.fingers and self._kind.has_gripper else ()
        return (*self.control.joints, *gripper)

    @property
    def _bounds(self) -> tuple[Floats, Floats]:
        """Bounds of the measured joints, (J,) each."""
        low, high, _ = self.control.bounds
        if self.fingers and len(self._joints) > len(low):
            fingers = self.fingers.limits
            low, high = np.append(low, fingers.low), np.append(high, fingers.high)
        return np.maximum(low, -_FARTHEST), np.minimum(high, _FARTHEST)

    def _kind_of(self, plan: m.Message) -> ToolAction:
        kind = ToolAction.of(plan.action_names, plan.action_units)
        reason = refusal(kind, self.no_gripper)
        if kind is None or reason:
            actions = components(plan.action_names, plan.action_units)
            raise InputError(f"/plan holds {actions}, which the controller cannot carry out: {reason}")
        return kind

    def _grip(
        self, fingers: Fingers, period_s: float, planned: NDArray[np.float32] | None
    ) -> tuple[Limited, NDArray[np.float32]]:
        """Targets of the fingers, and the component (1,) of the action that they amount to."""
        q = joints_of(self._state, fingers.joints)
        measured = fingers.opening(q)
        limited = fingers.command(measured if self._opening is None else self._opening, q, period_s)
        if (grip := self._finger_motion) is not None:
            if grip.now is None:
                before = self._taken_over
                grip.rest(fingers.positions(before.opening) if before and before.is_reached else q)
            grip.aim(limited.command, RAMP * period_s)
        is_free = not limited.clipped.any()
        if planned is not None and is_free and 0.0 <= self._kind.opening(float(planned[0]), measured) <= 1.0:
            return limited, planned  # to the last bit
        done = self._kind.component(fingers.opening(limited.command), measured)
        return limited, np.array([done], np.float32)
