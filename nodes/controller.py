"""The controller node: the next action of the plan to joint targets, within the robot's limits.

It answers every tick from the newest plan. If the plan for a tick does not come in time it holds the arm
where it is measured to be.
"""

import numpy as np

from wm_planner import share
from wm_planner.bridges.messages import actions_of, joints_of
from wm_planner.clock import nanoseconds
from wm_planner.config import Config, Delay, Seconds
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.safety import Hold, Limits, Watchdog
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run

WATCH_S = 0.02  # how often the watchdog is asked


class Controller(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Which robot is driven.

        Attributes:
            robot: MJCF with a site `tcp`, a keyframe `home`, numerics `workspace` and
                `joint_velocity_limits`.
            control_dt_s: time between two ticks.
            patience_s: how much later than one period after the last plan the next may come before the arm
                is held, in realtime: the planner's deadline and a little for the way.
        """

        robot: str
        control_dt_s: Seconds = 0.2
        patience_s: Delay = 0.12

    params: Params

    def configure(self) -> None:
        self.control = EndEffectorDelta.load(share.find(self.params.robot))
        self.limits = Limits(*self.control.bounds)
        self.hold, self.plan = Hold(), None
        self.watchdog = Watchdog(self.clock, self.params.control_dt_s + self.params.patience_s)
        self.joints: m.Message = None
        self.envelope: Envelope | None = None
        self.answered_ns = -1
        self.clipped = 0
        self.out = self.publisher("/command")
        rate_hz = 1 / self.params.control_dt_s
        self.subscribe("/plan", self.on_plan, rate_hz=rate_hz)
        self.subscribe("/joint_states", self.on_joints, rate_hz=rate_hz)
        if self.mode == "realtime":
            self.timer(WATCH_S, self.watch)

    def on_joints(self, joints: m.Message, envelope: Envelope) -> None:
        if self.joints is None:
            self.watchdog.feed()  # from now on plans are due
        self.joints, self.envelope = joints, envelope
        self.answer()

    def on_plan(self, plan: m.Message, envelope: Envelope) -> None:
        self.watchdog.feed()
        self.plan = plan
        self.answer()

    def answer(self) -> None:
        """Command the plan's action for the last measured joints, if it has one."""
        if self.joints is None or self.plan is None:
            return None
        stamp_ns = m.stamp_ns(self.joints)
        step = round((stamp_ns - m.stamp_ns(self.plan)) / nanoseconds(self.plan.dt_s))
        if self.plan.fallback:
            return self.stop("the planner fell back")
        if not 0 <= step < self.plan.execute_steps:
            return None  # the plan of this tick is on its way
        self.hold.release()
        q = joints_of(self.joints, self.control.chain.names)
        if self.mode == "realtime":
            step += self.plan.latency_steps  # what came before was commanded by earlier plans
        return self.send(self.control.command(q, actions_of(self.plan)[step].astype(np.float64)), q)

    def watch(self) -> None:
        """Hold, and say so at every tick, while plans do not come."""
        if self.joints is not None and self.watchdog.stale and self.answered_ns != m.stamp_ns(self.joints):
            self.stop(f"no plan for {self.watchdog.age_s:.2f} s")

    def stop(self, reason: str) -> None:
        if not self.hold.active:
            self.log.warning("holding: %s", reason)
        q = joints_of(self.joints, self.control.chain.names)
        self.send(self.hold.at(q), q)

    def send(self, command: np.ndarray, measured: np.ndarray) -> None:
        limited = self.limits.apply(command, measured, self.params.control_dt_s)
        self.clipped += bool(limited.clipped.any())
        self.diagnostics = {"clipped": str(self.clipped), "holding": str(self.hold.active)}
        message = m.joint_trajectory(
            self.control.chain.names,
            limited.command[None],
            RAMP * self.params.control_dt_s,
            m.stamp_ns(self.joints),
        )
        self.answered_ns = m.stamp_ns(self.joints)
        self.out.publish(message, self.envelope.origin_ns if self.envelope else None)


if __name__ == "__main__":
    run(Controller)
