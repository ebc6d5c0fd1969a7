"""The planner node: plans by model-predictive control for an arm, a car, or any domain with an adapter."""

from typing import Any

import msgspec
import numpy as np

from wm_planner.bridges.messages import plan_info_message, plan_message
from wm_planner.bridges.planning import PlanningConfig, Tick, adapter_facts, build_adapter, check_adapter
from wm_planner.clock import Deadline, seconds
from wm_planner.config import Seconds
from wm_planner.node import Facts, Node, run
from wm_planner.node.health import STALE_PERIODS
from wm_planner.planners.action_space import ActionSpace
from wm_planner.planners.mpc import Decision

SILENCE = 2  # control periods without inputs after which the plan is to do nothing
WARN_S = 10.0  # between two warnings of stale inputs


class Planner(Node):
    class Params(PlanningConfig, frozen=True, kw_only=True):
        """How to plan; see `PlanningConfig` for the search itself.

        Attributes:
            adapter: `{type: latent}`, `{type: driving, vehicle: bmw_320i}`, ...
            deadline_s: for one plan, in realtime.
        """

        adapter: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "latent"})
        deadline_s: Seconds = 0.1

    changeable = ("deadline_s",)
    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        check_adapter(params.adapter, params, "planner: params.adapter")

    @classmethod
    def facts(cls, params: Params) -> Facts:
        return adapter_facts(params.adapter, params, "planner: params.adapter")

    def configure(self) -> None:
        self.adapter = build_adapter(self.params.adapter, self.params, "planner: params.adapter")
        self.took_s = min(self.adapter.warm_up(), self.params.deadline_s)
        self.plan, self.info = self.publisher("/plan"), self.publisher("/plan_info")
        self.path = self.publisher("/plan_path") if self.adapter.has_path else None
        self.adapter.listen(self, self.on_tick)
        if self.mode == "realtime":
            self.silence = self.timer(SILENCE * self.adapter.control_dt_s, self.on_silence)
        self.decision: Decision | None = None
        self.planned_ns = self.plans = self.stale = 0
        self.next_warning = Deadline.after(self.clock, 0.0)

    def on_tick(self, tick: Tick) -> None:
        age_s = seconds(self.clock.now_ns() - tick.origin_ns)
        deadline = delay_s = None
        if self.mode == "realtime":
            self.silence.period_s = SILENCE * self.adapter.control_dt_s
            self.silence.restart()
            self.note_age(age_s)
            deadline = Deadline.after(self.clock, self.params.deadline_s)
            delay_s = age_s + self.took_s  # until the plan can be acted on, as far as the last one tells
        decision = self.adapter.decide(tick, deadline, delay_s)
        if decision is not self.decision or tick.stamp_ns == self.planned_ns:  # new, or asked for again
            self.decision, self.planned_ns = decision, tick.stamp_ns
            self.took_s = decision.plan.elapsed_s
            self.publish_decision(decision, tick, age_s)

    def note_age(self, age_s: float) -> None:
        """Count stale inputs, and warn of them now and then."""
        dt_s = self.adapter.control_dt_s
        if age_s <= STALE_PERIODS * dt_s:
            return
        self.stale += 1
        self.diagnostics["stale inputs"] = str(self.stale)
        if self.next_warning.left_s() <= 0:
            self.next_warning = Deadline.after(self.clock, WARN_S)
            self.log.warning(
                "inputs are %.2f s old, more than %d control periods of %g s", age_s, STALE_PERIODS, dt_s
            )

    def publish_decision(self, decision: Decision, tick: Tick, age_s: float) -> None:
        fallback = decision.fallback is not None
        self.publish_plan(decision.actions, tick.stamp_ns, fallback, tick.origin_ns, decision.latency)
        how = {"goal_id": tick.goal_id, "input_age_s": age_s, "seed": self.adapter.seed}
        self.info.publish(plan_info_message(self.plans, decision, tick.stamp_ns, **how), tick.origin_ns)
        if self.path is not None:
            self.path.publish(self.adapter.path(decision, tick), tick.origin_ns)
        if fallback:
            self.log.warning("fallback: %s", decision.fallback)

    def publish_plan(
        self,
        actions: np.ndarray,
        stamp_ns: int,
        fallback: bool,
        origin_ns: int | None = None,
        latency_steps: int = 0,
    ) -> None:
        self.plans += 1
        message = plan_message(
            self.plans,
            actions,
            self.adapter.action,
            self.adapter.control_dt_s,
            stamp_ns,
            latency_steps,
            frame=self.adapter.frame,
            execute_steps=self.adapter.execute_steps,
            fallback=fallback,
        )
        self.plan.publish(message, origin_ns)

    def on_silence(self) -> None:
        """The inputs have stopped: publish the plan of doing nothing."""
        if self.decision is not None:
            actions = self.decision.actions
            last = min(self.decision.latency + self.adapter.execute_steps, len(actions)) - 1  # carried out
            nothing = ActionSpace.of(self.adapter.action).hold(len(actions), actions[last])
            self.publish_plan(nothing, self.clock.now_ns(), fallback=True)
            self.log.warning("no inputs for %d control periods: holding", SILENCE)


if __name__ == "__main__":
    run(Planner)
