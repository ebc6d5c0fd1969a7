"""The controller node: the next action of the plan to commands for an arm or a car, within its limits.

It answers every tick from the newest plan: in lockstep with one command, in realtime, for robots that can
be paced, with set-points at `rate_hz`. Where the plan for a tick does not come in time, the planner fell back
or the measured state is missing or unusable, it holds the arm or brakes the car. It begins by holding, also
after a respawn. An emergency stop, by topic or by service, holds until the service `reset_emergency_stop`.
"""

from typing import Any

from wm_planner.bridges.controllers import CONTROLLERS, Controller, Gripping, Paced
from wm_planner.bridges.messages import action_message, actions_of, why_not_finite
from wm_planner.clock import nanoseconds, seconds
from wm_planner.config import Config, Delay, Rate, Seconds
from wm_planner.control.emergency_stop import EmergencyStop
from wm_planner.control.kept_grip import Episode, KeptGrip
from wm_planner.control.safety import Watchdog
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Facts, Node, run

EMERGENCY = "emergency stop (wm node call controller reset_emergency_stop)"
WATCH_S = 0.01  # period of the checks for missing plans and states


class ControllerNode(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Which robot is driven.

        Attributes:
            control: `{type: ee_delta, robot: sim/panda_reach.xml}`, `{type: ackermann, vehicle: bmw_320i}`,
                `{type: passthrough, world_model: BUNDLE}` to send actions as they are.
            control_dt_s: time between two ticks, until a plan tells its own.
            rate_hz: of the set-points of an arm or a car, in realtime.
            patience_s: how much later than one period after the last plan the next may come before the robot
                is held, in realtime; measured states may be as late. With the default a robot is held within
                one period and 0.1 s after a node fails, if a plan takes up to 0.03 s.
            max_age_s: age of the observation, and duration of a step, from which a plan is refused, and age
                of a measured state, in realtime.
        """

        control: dict[str, Any]
        control_dt_s: Seconds = 0.2
        rate_hz: Rate = 100.0
        patience_s: Delay = 0.05
        max_age_s: Seconds = 1.0

    changeable = ("patience_s", "max_age_s")
    alone_in_realtime = True
    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        control, config = CONTROLLERS.configure(params.control, "controller: params.control")
        if hasattr(control, "check"):
            control.check(config)

    @classmethod
    def facts(cls, params: Params) -> Facts:
        control, config = CONTROLLERS.configure(params.control, "controller: params.control")
        return control.facts(config) if hasattr(control, "facts") else Facts()

    def configure(self) -> None:
        self.control: Controller = CONTROLLERS.build(self.params.control, "controller: params.control")
        self.out = self.publisher(self.control.command_topic)
        reports = getattr(self.control, "reports_action", False)
        self.action = self.publisher("/action") if reports else None
        rate_hz = 1 / self.params.control_dt_s
        self.subscribe("/plan", self.on_plan, rate_hz=rate_hz)
        self.subscribe(self.control.state_topic, self.on_state, rate_hz=rate_hz)
        self.subscribe("/episode", self.on_episode)
        self.subscribe("/emergency_stop", self.on_emergency_stop)
        self.services["emergency_stop"] = self.stop_for_good
        self.services["reset_emergency_stop"] = self.reset_emergency_stop
        self.emergency = EmergencyStop(self.bus.domain.path / "emergency_stop")
        self.kept_grip = KeptGrip(self.bus.domain.path / "grip")
        self.plan: m.Message = None
        self.measured: m.Message = None
        self.envelope: Envelope | None = None
        self.answered_ns, self.refused, self.holding = -1, 0, False
        self.episode: Episode | None = None
        self.fault = ""
        self.watch_over(self.params.control_dt_s)
        self.paced = self.control if self.mode == "realtime" and isinstance(self.control, Paced) else None
        if self.paced:
            self.paced.pace(self.params.rate_hz)
            self.timer(1 / self.params.rate_hz, self.send_set_point)
        if self.mode == "realtime":
            self.checks = self.timer(WATCH_S, self.watch)

    def watch_over(self, period_s: float) -> None:
        """Expect a plan every `period_s`."""
        self.period_s = period_s
        limit_s = period_s + self.params.patience_s
        self.watchdog, self.state_watchdog = Watchdog(self.clock, limit_s), Watchdog(self.clock, limit_s)
        if self.measured is not None:
            self.state_watchdog.feed()

    def change(self, params: Params) -> None:
        self.params = params
        self.watch_over(self.period_s)

    def on_episode(self, message: m.Message, envelope: Envelope) -> None:
        episode = envelope.publisher_id, message.id
        if episode == self.episode:
            return
        self.control.reset()
        grip = self.kept_grip.of(episode) if self.episode is None else None  # of a process that was killed
        if grip and isinstance(self.control, Gripping):
            self.control.take_over(grip)
        self.episode = episode

    def on_emergency_stop(self, message: m.Message, envelope: Envelope) -> None:
        if message.data:
            self.stop_for_good()

    def stop_for_good(self) -> None:
        """Hold or brake from now on, until `reset_emergency_stop`."""
        if not self.emergency.is_latched:
            self.log.error("emergency stop")
        self.emergency.latch()
        if self.measured is not None and not self.fault:
            self.stop(EMERGENCY)

    def reset_emergency_stop(self) -> None:
        """Follow plans again, beginning with the next one."""
        self.emergency.reset()
        self.plan = None
        self.log.warning("the emergency stop was reset")

    def on_state(self, state: m.Message, envelope: Envelope) -> None:
        if self.mode == "realtime":
            self.check_fresh(state)
        if self.measured is None:
            self.watchdog.feed()  # from now on plans are due
        self.state_watchdog.feed()
        fault = self.control.fault(state)
        self.measured, self.envelope = state, envelope
        if fault:
            return self.stop_blindly(fault)
        self.fault = ""
        self.control.observe(state)
        return self.answer()

    def check_fresh(self, state: m.Message) -> None:
        """Refuse a state that was measured too long ago, or by a sensor that repeats itself.

        Raises:
            InputError: if its stamp is not newer than the last one, or too far from now.
        """
        topic, stamp_ns = self.control.state_topic, m.stamp_ns(state)
        age_s = seconds(self.clock.now_ns() - stamp_ns)
        if abs(age_s) > self.params.max_age_s:
            when = f"{age_s:.2f} s old" if age_s > 0 else f"{-age_s:.2f} s in the future"
            raise InputError(f"{topic} is {when} by its stamp, at most {self.params.max_age_s:g} s are taken")
        if self.measured is not None and stamp_ns <= m.stamp_ns(self.measured):
            raise InputError(f"{topic} has the stamp of a message before: its sensor repeats itself")

    def on_plan(self, plan: m.Message, envelope: Envelope) -> None:
        if self.mode == "realtime" and (reason := self.why_stale(plan, envelope)):
            self.refused += 1
            return self.log.warning("refused plan %d: %s", plan.id, reason)
        actions_of(plan)  # one of another shape is refused before it replaces the last one
        previous, self.plan = self.plan, plan
        try:
            self.answer()
        except InputError:
            self.plan = previous
            raise
        if plan.dt_s != self.period_s:
            self.watch_over(plan.dt_s)
        return self.watchdog.feed(envelope.publish_ns)  # this process may have got no processor time since

    def why_stale(self, plan: m.Message, envelope: Envelope) -> str:
        """Why a plan is refused by its times; empty if it is not."""
        late_s = seconds(self.clock.now_ns() - envelope.publish_ns)
        if late_s > self.period_s + self.params.patience_s:
            return f"it was published {late_s:.2f} s ago, and the next one is overdue"
        age_s = seconds(self.clock.now_ns() - m.stamp_ns(plan))
        if age_s < 0:
            return f"its observation is {-age_s:.2f} s in the future"
        if age_s > self.params.max_age_s:
            return f"its observation is {age_s:.2f} s old, at most {self.params.max_age_s:g} s are taken"
        if self.plan is not None and m.stamp_ns(plan) < m.stamp_ns(self.plan):
            return "its observation is older than that of the plan before"
        if plan.dt_s > self.params.max_age_s:  # so late would its end be noticed
            return f"its steps last {plan.dt_s:g} s, at most {self.params.max_age_s:g} s are taken"
        return ""

    def answer(self) -> None:
        """Command the plan's action for the state measured last, if it has one."""
        if self.measured is None:
            return None
        if self.emergency.is_latched:
            return None if self.fault else self.stop(EMERGENCY)
        if self.plan is None:
            return None
        stamp_ns = m.stamp_ns(self.measured)
        step = round((stamp_ns - m.stamp_ns(self.plan)) / nanoseconds(self.plan.dt_s))
        if not (self.plan.fallback or 0 <= step < self.plan.execute_steps):
            return None  # the plan of this tick is on its way
        if self.fault:
            return None  # a plan does not end a stop for want of a state
        if self.plan.fallback:
            return self.stop("the planner fell back")
        if reason := why_not_finite(self.plan):
            return self.stop(f"plan {self.plan.id} cannot be used: {reason}")
        if self.mode == "realtime":
            step += self.plan.latency_steps  # what came before was commanded by earlier plans
        self.holding = False
        return self.send(self.command(step))

    def command(self, step: int) -> m.Message:
        """The command for a step of the plan; a plan that the robot cannot carry out is dropped.

        Raises:
            InputError: if it cannot.
        """
        try:
            return self.control.command(self.plan, step)
        except InputError:
            self.plan = None
            raise

    def watch(self) -> None:
        """Hold or brake where no state, or at every tick for which no plan, has come in time."""
        if self.measured is None or self.checks.is_late:
            return
        if self.state_watchdog.stale:
            if not self.fault:
                self.stop_blindly(f"no new message for {self.state_watchdog.age_s:.2f} s")
        elif self.watchdog.stale and self.is_unanswered and not self.control.fault(self.measured):
            self.stop(f"no plan for {self.watchdog.age_s:.2f} s")

    @property
    def is_unanswered(self) -> bool:
        """Whether the state measured last has had no command."""
        return self.answered_ns != m.stamp_ns(self.measured)

    def stop(self, reason: str) -> None:
        if not self.holding:
            self.log.warning("holding: %s", reason)
        self.holding = True
        self.send(self.control.stop(self.period_s))

    def stop_blindly(self, fault: str) -> None:
        """Bring the robot to rest without the measured state, which cannot be used."""
        if fault != self.fault:
            self.log.error("%s: %s", self.control.state_topic, fault)
        self.fault, self.holding = fault, True
        command = self.control.blind_stop(m.stamp_ns(self.measured))
        if command is not None:
            self.send(command)

    def send(self, command: m.Message) -> None:
        figures = {"holding": str(self.holding), "refused": str(self.refused)}
        self.diagnostics = figures | self.control.figures
        self.answered_ns = m.stamp_ns(self.measured)
        origin_ns = self.envelope.origin_ns if self.envelope else None
        executed = self.control.executed if self.action is not None and self.plan is not None else None
        # A hold before the first command of a gripper is of the arm alone.
        if self.action is not None and executed is not None and len(executed) == len(self.plan.action_names):
            message = action_message(executed, self.plan, self.answered_ns, self.holding)
            self.action.publish(message, origin_ns)  # first, so that it is on its way when the world goes on
        if not self.paced:
            self.out.publish(command, origin_ns)
            self.keep_grip()

    def send_set_point(self) -> None:
        """Command where the robot is to be in one period of `rate_hz`."""
        command = self.paced.set_point(self.clock.now_ns()) if self.paced else None
        if command is not None:
            self.out.publish(command, self.envelope.origin_ns if self.envelope else None)
            self.keep_grip()

    def keep_grip(self) -> None:
        """Write the target of a gripper down, for the case that this process ends."""
        if self.episode and isinstance(self.control, Gripping) and (grip := self.control.grip):
            self.kept_grip.keep(self.episode, grip)

    def cleanup(self) -> None:
        if hasattr(self, "kept_grip"):
            self.kept_grip.forget()


if __name__ == "__main__":
    run(ControllerNode)
