"""The perception node: pictures and states to latents, through the encoder of a bundle.

It also encodes the goal that the planner pursues, with its sub-goals, from /goal or from picture files.
"""

import math
from typing import TypeAlias

import numpy as np

from wm_planner import share
from wm_planner.bridges.executed_actions import ActionJoin
from wm_planner.bridges.goal_files import GoalFile, check_goals, read_goals
from wm_planner.bridges.gripper_watch import GripperWatch
from wm_planner.bridges.messages import (
    camera_topic,
    goal_of,
    latent_message,
    observation_of,
    state_topic,
)
from wm_planner.bridges.statements import CAMERA, LATENT, PERIOD, STATE, latent_of, pixels, values
from wm_planner.config import Config, Positive
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Goal
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Facts, Node, run
from wm_planner.world_models.episode_encoder import EpisodeEncoder
from wm_planner.world_models.onnx.camera_images import image_dtype, image_shape
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.execution import Device
from wm_planner.world_models.onnx.inputs import check_observation
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.surprise import Surprise

Tick: TypeAlias = tuple[Observation, Envelope]

FILES_GOAL = 1  # the id of the goal of the picture files


class Perception(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Which model sees.

        Attributes:
            world_model: path of the bundle.
            threads: of one encoder call.
            goals: pictures that are pursued in order instead of /goal, none by default:
                `[{images: {front: above.png}, steps: 4}, {images: {front: lifted.png}}]`.
        """

        world_model: str
        device: Device = "auto"
        threads: Positive = 1
        goals: tuple[GoalFile, ...] = ()

    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        card = read_card(share.find(params.world_model))
        check_goals(params.goals, card.observation.cameras, "perception: params.goals")

    @classmethod
    def facts(cls, params: Params) -> Facts:
        card = read_card(share.find(params.world_model))
        seen = card.observation
        size = pixels(seen.height, seen.width) if seen.fit == "exact" else None
        states = {quantity.name: values(quantity.size) for quantity in seen.state}
        cameras = dict.fromkeys(seen.cameras, size)
        stated = {PERIOD: card.control_dt_s, LATENT: latent_of(card)}
        return Facts(agrees=stated, needs={CAMERA: cameras, STATE: states})

    def configure(self) -> None:
        self.model = OnnxWorldModel.load(self.params.world_model, self.params.device, self.params.threads)
        card, spec = self.model.card, self.model.card.observation
        self.states = [quantity.name for quantity in spec.state]
        blank = np.zeros(image_shape(spec), image_dtype(spec))
        self.model.encode(Goal(images=dict.fromkeys(spec.cameras, blank)))  # the first call is slow
        if self.model.note:
            self.log.info("%s", self.model.note)
        self.surprise, self.encoder, self.goal_id = Surprise(self.model), EpisodeEncoder(self.model), 0
        self.episode = 0
        self.sent: m.Message = None
        self.latent, self.goal_latent = self.publisher("/latent"), self.publisher("/goal_latent")
        if not self.params.goals:
            self.subscribe("/goal", self.on_goal)
        self.subscribe("/episode", self.on_episode)
        self.gripper = GripperWatch(card)
        self.ticks: ActionJoin[Tick] = ActionJoin(self, card.action, self.perceive)
        sensors = [*map(camera_topic, spec.cameras), *map(state_topic, self.states)]
        self.join(list(dict.fromkeys(sensors)), self.on_sensors, rate_hz=1 / card.control_dt_s)

    def activate(self) -> None:
        """Pursue the goals of the picture files, if there are any."""
        if self.params.goals:
            self.pursue(read_goals(self.params.goals), FILES_GOAL, self.clock.now_ns())

    def on_goal(self, goal: m.Message, envelope: Envelope) -> None:
        """Encode what the goal shows; until a goal that can be used, nothing is planned for."""
        self.goal_id = 0
        shown = goal_of(goal, self.model.card.observation.cameras, self.states)
        self.pursue(shown, goal.id, m.stamp_ns(goal), envelope.origin_ns)

    def pursue(self, goal: Goal | None, goal_id: int, stamp_ns: int, origin_ns: int | None = None) -> None:
        """Publish the latents of a goal and its sub-goals; None asks for reward, and its latent is empty."""
        stages = () if goal is None else (*goal.before, goal)
        latents = [self.model.encode(stage) for stage in stages]
        names = latents[0] if latents else ()
        latent = {name: np.concatenate([each[name] for each in latents]) for name in names}
        steps = [stage.steps for stage in stages] if len(stages) > 1 else []
        self.goal_id = goal_id
        self.forget()
        message = latent_message(latent, goal_id, stamp_ns, math.nan, steps=steps)
        self.goal_latent.publish(message, origin_ns)

    def on_episode(self, message: m.Message, envelope: Envelope) -> None:
        """Memory and warm start end with their episode; nothing else is read, least of all the true goal."""
        if message.id != self.episode:
            self.episode = message.id
            self.forget()

    def forget(self) -> None:
        """What comes next has nothing to do with what was seen before."""
        self.ticks.reset()
        self.surprise.reset()
        self.encoder.reset()
        self.gripper.reset()
        self.sent = None

    def on_sensors(self, sensors: dict[str, m.Message], envelope: Envelope) -> None:
        if not self.goal_id:
            return  # nothing to plan for yet
        observation = observation_of(sensors, self.model.card.observation.cameras, self.states)
        check_observation(self.model.card, observation)
        self.ticks.offer(observation.stamp_ns, (observation, envelope))

    def perceive(self, tick: Tick, last_action: np.ndarray | None) -> None:
        """Publish the latent of a tick; that of a repeated tick again, so that memory counts it once."""
        observation, envelope = tick
        if self.sent is None or m.stamp_ns(self.sent) != observation.stamp_ns:
            self.gripper.look(observation, last_action)
            latent = self.encoder.encode(observation, last_action)
            surprise = self.surprise.of(latent, last_action, self.encoder.outputs)
            self.sent = latent_message(latent, self.goal_id, observation.stamp_ns, surprise, self.episode)
        self.latent.publish(self.sent, envelope.origin_ns)


if __name__ == "__main__":
    run(Perception)
