"""The planner node: latents in, plans out, by model-predictive control over imagined trajectories."""

from typing import Any

import numpy as np

from wm_planner import messages as m
from wm_planner.clock import Deadline, nanoseconds, seconds
from wm_planner.config import Config, convert
from wm_planner.costs import build_costs
from wm_planner.costs.base import Context, Latent
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.world_models.onnx import Device, OnnxWorldModel


class Planner(Node):
    class Params(Config, frozen=True, kw_only=True):
        """How to plan.

        Attributes:
            world_model: path of the bundle.
            planner: `{type: icem, ...}`.
            costs: `[{type: latent_goal, weight: 1.0}, ...]`.
            mpc: `{replan_every: 1, latency_steps: 0}`.
            deadline_s: for one plan, in realtime.
            seed: of all searches.
            threads: of one model call.
        """

        world_model: str
        planner: dict[str, Any]
        costs: list[dict[str, Any]]
        mpc: dict[str, Any] = {}
        deadline_s: float = 0.1
        seed: int = 0
        device: Device = "auto"
        threads: int = 1

    params: Params

    def configure(self) -> None:
        params = self.params
        self.model = OnnxWorldModel.load(params.world_model, params.device, params.threads)
        self.mpc = RecedingHorizon(
            convert(params.mpc, RecedingHorizon.Config, "planner: params.mpc"),
            PLANNERS.build(params.planner, "planner: params.planner"),
            self.model,
            build_costs(params.costs, "planner: params.costs"),
            seed=params.seed,
        )
        self.dt_ns = nanoseconds(self.model.card.control_dt_s)
        self.warm_up()
        self.plan, self.info = self.publisher("/plan"), self.publisher("/plan_info")
        self.path = self.publisher("/plan_path") if "state:tcp_position" in self.model.card.offers else None
        self.subscribe("/goal_latent", self.on_goal)
        self.subscribe("/latent", self.on_latent, rate_hz=1 / self.model.card.control_dt_s)
        if self.mode == "realtime":
            self.silence = self.timer(2 * self.model.card.control_dt_s, self.on_silence)
        self.goal: Latent | None = None
        self.goal_id = self.episode_id = self.episode_start_ns = self.planned_ns = self.plans = 0

    def warm_up(self) -> None:
        """Plan once for nothing, so that the first plan takes no longer than the others."""
        shapes = {s.name: np.zeros((1, *s.shape), s.dtype) for s in self.model.card.latents}
        self.mpc.tick(shapes, Context(goal_latent=shapes), tick_index=0)
        self.mpc.reset(episode_id=0)

    def on_goal(self, message: m.Message, envelope: Envelope) -> None:
        self.goal, self.goal_id = m.named_arrays_of(message.arrays), message.goal_id

    def on_latent(self, message: m.Message, envelope: Envelope) -> None:
        stamp_ns = m.stamp_ns(message)
        if message.goal_id != self.goal_id:
            return  # its goal's latent is still on the way
        if message.episode_id != self.episode_id:
            self.episode_id, self.episode_start_ns, self.decision = message.episode_id, stamp_ns, None
            self.mpc.reset(self.episode_id)
        if self.mode == "realtime":
            self.silence.restart()
        tick = round((stamp_ns - self.episode_start_ns) / self.dt_ns)
        last = self.decision.action_at(tick - 1) if self.decision else None
        deadline = Deadline.after(self.clock, self.params.deadline_s) if self.mode == "realtime" else None
        age_s = seconds(self.clock.now_ns() - envelope.origin_ns)
        context = Context(goal_latent=self.goal, last_action=last)
        decision = self.mpc.tick(m.named_arrays_of(message.arrays), context, tick, deadline)
        if decision is self.decision and stamp_ns != self.planned_ns:
            return  # still executing the plan before
        self.decision, self.planned_ns = decision, stamp_ns
        self.send(decision, stamp_ns, age_s, envelope.origin_ns)

    def send(self, decision: Decision, stamp_ns: int, age_s: float, origin_ns: int) -> None:
        self.plans += 1
        plan, spec = decision.plan, self.model.card.action
        self.plan.publish(self.message(decision.actions, stamp_ns, decision.fallback is not None), origin_ns)
        info = m.PlanInfo(
            header=m.header(stamp_ns),
            plan_id=self.plans,
            episode_id=self.episode_id,
            cost=plan.cost,
            term_names=list(plan.terms),
            term_values=np.array(list(plan.terms.values()), np.float64),
            spread=plan.spread.astype(np.float32),
            iterations=plan.iterations,
            evaluations=plan.evaluations,
            elapsed_s=plan.elapsed_s,
            input_age_s=age_s,
            deadline_hit=plan.deadline_hit,
            fallback=decision.fallback is not None,
            seed=self.params.seed,
        )
        self.info.publish(info, origin_ns)
        if decision.fallback:
            self.log.warning("fallback at %s: %s", spec.names, decision.fallback)

    def message(self, actions: np.ndarray, stamp_ns: int, fallback: bool) -> m.Message:
        spec = self.model.card.action
        return m.Plan(
            header=m.header(stamp_ns),
            id=self.plans,
            action_names=list(spec.names),
            action_units=list(spec.units),
            horizon=len(actions),
            actions=actions.reshape(-1).astype(np.float32),
            dt_s=self.model.card.control_dt_s,
            execute_steps=self.mpc.config.replan_every,
            fallback=fallback,
        )

    def on_silence(self) -> None:
        """No latent came for two periods: publish the plan of doing nothing."""
        if self.goal is None:
            return
        self.plans += 1
        still = np.zeros((self.mpc.planner.horizon, len(self.model.card.action.names)), np.float32)
        self.plan.publish(self.message(still, self.clock.now_ns(), fallback=True))
        self.log.warning("no latent for %.1f s: holding", 2 * self.model.card.control_dt_s)


if __name__ == "__main__":
    run(Planner)
