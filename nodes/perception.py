"""The perception node: pictures and states to latents, through the encoder of a bundle."""

import math

import numpy as np

from wm_planner import share
from wm_planner.bridges.messages import (
    actions_of,
    camera_topic,
    goal_of,
    latent_message,
    observation_of,
    state_topic,
)
from wm_planner.config import Config, Positive
from wm_planner.contracts.observation import Observation
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.execution import Device
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.surprise import Surprise


class Perception(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Which model sees.

        Attributes:
            world_model: path of the bundle.
            threads: of one encoder call.
        """

        world_model: str
        device: Device = "auto"
        threads: Positive = 1

    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        read_card(share.find(params.world_model))

    def configure(self) -> None:
        self.model = OnnxWorldModel.load(self.params.world_model, self.params.device, self.params.threads)
        card, spec = self.model.card, self.model.card.observation
        self.states = [quantity.name for quantity in spec.state]
        blank = np.zeros((spec.height, spec.width, 3), np.uint8)
        self.model.encode(Observation(images=dict.fromkeys(spec.cameras, blank)))  # the first call is slow
        self.surprise, self.goal_id = Surprise(self.model), 0
        self.latent, self.goal_latent = self.publisher("/latent"), self.publisher("/goal_latent")
        self.subscribe("/goal", self.on_goal)
        self.subscribe("/plan", self.on_plan)
        sensors = [*map(camera_topic, spec.cameras), *map(state_topic, self.states)]
        self.join(list(dict.fromkeys(sensors)), self.on_sensors, rate_hz=1 / card.control_dt_s)

    def on_goal(self, goal: m.Message, envelope: Envelope) -> None:
        """Encode what the goal shows; a goal that shows nothing asks for reward, and its latent is empty."""
        shown = goal_of(goal, self.model.card.observation.cameras, self.states)
        latent = {} if shown is None else self.model.encode(shown)
        self.goal_id = goal.id
        self.surprise.reset()
        message = latent_message(latent, goal.id, m.stamp_ns(goal), math.nan)
        self.goal_latent.publish(message, envelope.origin_ns)

    def on_plan(self, plan: m.Message, envelope: Envelope) -> None:
        self.surprise.expect(m.stamp_ns(plan), actions_of(plan), plan.dt_s)

    def on_sensors(self, sensors: dict[str, m.Message], envelope: Envelope) -> None:
        if not self.goal_id:
            return  # nothing to plan for yet
        observation = observation_of(sensors, self.model.card.observation.cameras, self.states)
        latent = self.model.encode(observation)
        surprise = self.surprise.of(latent, observation.stamp_ns)
        message = latent_message(latent, self.goal_id, observation.stamp_ns, surprise)
        self.latent.publish(message, envelope.origin_ns)


if __name__ == "__main__":
    run(Perception)
