"""The perception node: pictures and states to latents, through the encoder of a bundle."""

import math

import numpy as np

from wm_planner import messages as m
from wm_planner.config import Config
from wm_planner.errors import NodeError
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.world_models.base import Observation
from wm_planner.world_models.onnx import Device, OnnxWorldModel
from wm_planner.world_models.surprise import Surprise

POSE = "tcp_position"  # the state that /tcp_pose carries


class Perception(Node):
    class Params(Config, frozen=True, kw_only=True):
        """Which model sees.

        Attributes:
            world_model: path of the bundle.
            rate_hz: at which sensors are expected.
            threads: of one encoder call.
        """

        world_model: str
        rate_hz: float = 5.0
        device: Device = "auto"
        threads: int = 1

    params: Params

    def configure(self) -> None:
        self.model = OnnxWorldModel.load(self.params.world_model, self.params.device, self.params.threads)
        spec = self.model.card.observation
        unknown = [quantity.name for quantity in spec.state if quantity.name != POSE]
        if unknown:
            raise NodeError(f"{self.model.card.name} needs state {unknown}, sensors publish only {POSE}")
        blank = np.zeros((spec.height, spec.width, 3), np.uint8)
        self.model.encode(Observation(images=dict.fromkeys(spec.cameras, blank)))  # warm up
        self.latent, self.goal_latent = self.publisher("/latent"), self.publisher("/goal_latent")
        self.images = {name: f"/camera/{name}/image_raw" for name in spec.cameras}
        states = ["/tcp_pose"] if spec.state else []
        self.subscribe("/goal", self.on_goal)
        self.subscribe("/plan", self.on_plan)
        self.join([*self.images.values(), *states], self.on_sensors, rate_hz=self.params.rate_hz)
        self.goal_id = 0
        self.surprise = Surprise(self.model)

    def on_goal(self, goal: m.Message, envelope: Envelope) -> None:
        """Encode the goal's pictures; a goal shows no state."""
        missing = set(self.images) - set(goal.cameras)
        if missing:
            raise NodeError(
                f"goal {goal.id} has pictures of {list(goal.cameras)}, {self.model.card.name} needs also "
                f"{sorted(missing)}: publish a /goal with one picture a camera"
            )
        pictures = dict(zip(goal.cameras, map(m.image_array, goal.pictures), strict=True))
        self.goal_id = goal.id
        self.surprise.reset()
        self.send(self.goal_latent, Observation(images=pictures), m.stamp_ns(goal), envelope)

    def on_plan(self, plan: m.Message, envelope: Envelope) -> None:
        actions = plan.actions.reshape(plan.horizon, -1)
        self.surprise.expect(m.stamp_ns(plan), actions, plan.dt_s)

    def on_sensors(self, messages: dict[str, m.Message], envelope: Envelope) -> None:
        if not self.goal_id:
            return  # nothing to plan for yet
        images = {name: m.image_array(messages[topic]) for name, topic in self.images.items()}
        state = {}
        if "/tcp_pose" in messages:
            position = messages["/tcp_pose"].pose.position
            state[POSE] = np.array([position.x, position.y, position.z])
        stamp_ns = m.stamp_ns(messages[next(iter(self.images.values()))])
        self.send(self.latent, Observation(images, state, stamp_ns), stamp_ns, envelope)

    def send(self, out: object, observation: Observation, stamp_ns: int, envelope: Envelope) -> None:
        arrays = self.model.encode(observation)
        surprise = self.surprise.of(arrays, stamp_ns) if out is self.latent else math.nan
        message = m.Latent(
            header=m.header(stamp_ns),
            goal_id=self.goal_id,
            episode_id=self.goal_id,
            arrays=m.named_arrays(dict(arrays)),
            surprise=surprise,
        )
        out.publish(message, envelope.origin_ns)


if __name__ == "__main__":
    run(Perception)
