"""The planner node: latents in, plans out, by model-predictive control over imagined trajectories.

Of the goal it knows the latent of its picture and nothing else.
"""

from typing import Any

import msgspec
import numpy as np

from wm_planner.bridges.messages import path_message, plan_info_message, plan_message
from wm_planner.clock import Deadline, nanoseconds, seconds
from wm_planner.config import Config, Positive, Seconds, Seed, convert
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Latent
from wm_planner.costs import build_costs
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.world_models.onnx.model import Device, OnnxWorldModel

SILENCE = 2  # control periods without a latent after which the plan is to do nothing


class Planner(Node):
    class Params(Config, frozen=True, kw_only=True):
        """How to plan.

        Attributes:
            world_model: path of the bundle.
            planner: `{type: icem, ...}`.
            costs: `[{type: latent_goal, weight: 1.0}, ...]`.
            mpc: `{replan_every: 1, latency_steps: 0}`; in realtime the latency is measured.
            deadline_s: for one plan, in realtime.
            seed: of all searches.
            threads: of one model call.
        """

        world_model: str
        planner: dict[str, Any]
        costs: list[dict[str, Any]]
        mpc: dict[str, Any] = msgspec.field(default_factory=dict)
        deadline_s: Seconds = 0.1
        seed: Seed = 0
        device: Device = "auto"
        threads: Positive = 1

    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        PLANNERS.build(params.planner, "planner: params.planner")
        build_costs(params.costs, "planner: params.costs")

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
        self.warm_up()
        card = self.model.card
        self.plan, self.info = self.publisher("/plan"), self.publisher("/plan_info")
        self.path = self.publisher("/plan_path") if "state:tcp_position" in card.offers else None
        self.subscribe("/goal_latent", self.on_goal)
        self.subscribe("/latent", self.on_latent, rate_hz=1 / card.control_dt_s)
        if self.mode == "realtime":
            self.silence = self.timer(SILENCE * card.control_dt_s, self.on_silence)
        self.goal: Latent | None = None
        self.goal_id = self.planned_id = self.started_ns = self.planned_ns = self.plans = 0
        self.decision: Decision | None = None

    def warm_up(self) -> None:
        """Plan once for nothing, so that the first plan takes no longer than the others."""
        latent = {s.name: np.zeros((1, *s.shape), s.dtype) for s in self.model.card.latents}
        plan = self.mpc.tick(latent, Context(goal_latent=latent), tick_index=0).plan
        self.took_s = min(plan.elapsed_s, self.params.deadline_s)
        self.mpc.reset(episode_id=0)

    def on_goal(self, message: m.Message, envelope: Envelope) -> None:
        self.goal, self.goal_id = m.named_arrays_of(message.arrays), message.goal_id

    def on_latent(self, message: m.Message, envelope: Envelope) -> None:
        if message.goal_id != self.goal_id:
            return  # its goal's latent is still on the way
        stamp_ns = m.stamp_ns(message)
        if self.goal_id != self.planned_id:  # a new goal: forget the plan for the last one
            self.planned_id, self.started_ns, self.decision = self.goal_id, stamp_ns, None
            self.mpc.reset(episode_id=self.goal_id)
        age_s = seconds(self.clock.now_ns() - envelope.origin_ns)
        tick = round((stamp_ns - self.started_ns) / nanoseconds(self.model.card.control_dt_s))
        last_action = self.decision.action_at(tick - 1) if self.decision else None
        context = Context(goal_latent=self.goal, last_action=last_action)
        deadline = delay_s = None
        if self.mode == "realtime":
            self.silence.restart()
            deadline = Deadline.after(self.clock, self.params.deadline_s)
            delay_s = age_s + self.took_s  # until the plan can be acted on, as far as the last one tells
        latent = m.named_arrays_of(message.arrays)
        decision = self.mpc.tick(latent, context, tick, deadline, delay_s)
        if decision is not self.decision or stamp_ns == self.planned_ns:  # new, or asked for again
            self.decision, self.planned_ns = decision, stamp_ns
            self.took_s = decision.plan.elapsed_s
            self.send(decision, latent, stamp_ns, age_s, envelope.origin_ns)

    def send(self, decision: Decision, latent: Latent, stamp_ns: int, age_s: float, origin_ns: int) -> None:
        self.say(decision.actions, stamp_ns, decision.fallback is not None, origin_ns, decision.latency)
        how = {"goal_id": self.goal_id, "input_age_s": age_s, "seed": self.params.seed}
        self.info.publish(plan_info_message(self.plans, decision, stamp_ns, **how), origin_ns)
        if self.path is not None:
            imagined = self.model.rollout(latent, decision.actions[None]).states["tcp_position"][0]
            self.path.publish(path_message(imagined, stamp_ns), origin_ns)
        if decision.fallback:
            self.log.warning("fallback: %s", decision.fallback)

    def say(
        self,
        actions: np.ndarray,
        stamp_ns: int,
        fallback: bool,
        origin_ns: int | None = None,
        latency_steps: int = 0,
    ) -> None:
        self.plans += 1
        card, execute = self.model.card, self.mpc.config.replan_every
        how = {"latency_steps": latency_steps, "execute_steps": execute, "fallback": fallback}
        message = plan_message(self.plans, actions, card.action, card.control_dt_s, stamp_ns, **how)
        self.plan.publish(message, origin_ns)

    def on_silence(self) -> None:
        """The sensors or perception have gone: publish the plan of doing nothing."""
        if self.decision is not None:
            self.say(np.zeros_like(self.decision.actions), self.clock.now_ns(), fallback=True)
            self.log.warning("no latent for %d control periods: holding", SILENCE)


if __name__ == "__main__":
    run(Planner)
