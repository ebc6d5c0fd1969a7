"""Costs from a learned traffic model: distance to a goal image in latent space, and surprise.

The driver searches at the time step of its scenario. The model imagines the same trajectories at its own
time step, from a bird's-eye image that is rendered from the driver's view.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.costs.latent import LatentGoal
from wm_planner.costs.model import Surprise
from wm_planner.driving.birdseye.traffic_model_io import ACTION, IMAGE, actions_from_motion
from wm_planner.driving.birdseye.view_camera import Image, ViewCamera
from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.idm import IDMPlanner
from wm_planner.driving.simulation.simulator import CAMERA
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.errors import ConfigError
from wm_planner.world_models.onnx.model import OnnxWorldModel

Floats = NDArray[np.float64]

REQUIRES = frozenset({"state:speed", "context:domain"})


class TrafficModel:
    """A traffic model's bundle with its latents of the current tick and its last rollout, shared by costs."""

    def __init__(self, bundle: str) -> None:
        self._model = OnnxWorldModel.load(bundle, device="cpu")
        _check(self._model.card, bundle)
        self._idm = IDMPlanner(IDMPlanner.Config())
        self._drive: Drive | None = None
        self._view: View | None = None
        self._actions: Array = None

    @property
    def array(self) -> str:
        """Name of the latent that costs compare."""
        return self._model.card.representation

    def observe(self, view: View) -> None:
        """Encode a view and its goal image, unless it is the current one."""
        if view is self._view:
            return
        if view.drive is not self._drive:
            self._drive, self._camera = view.drive, ViewCamera(IMAGE, view.drive)
        self._view, self._actions = view, None
        self._latent = self.encode(self._camera.render_now(view))
        self.goal = self.encode(self.goal_image(view))

    def rollout(self, rollout: Rollout, actions: Array, view: View) -> Rollout:
        """The model's own rollout of the candidates of a driver.

        Args:
            rollout: the driver's rollout with the state `speed`, (N, H, 1), in m/s.
            actions: the driver's actions, (N, H, 2); the second is the steering angle, in rad.
        """
        self.observe(view)
        if self._actions is not actions:
            speed = _prepended(float(view.ego[SPEED]), rollout.states["speed"][..., 0])
            steering = _prepended(float(view.ego[STEERING]), actions[..., 1])
            model_actions = actions_from_motion(speed, steering, view.vehicle.wheelbase_m, view.dt)
            self._rollout, self._actions = self._model.rollout(self._latent, model_actions), actions
        return self._rollout

    def encode(self, image: Image) -> Latent:
        """The latent of an image, (1, ...)."""
        return self._model.encode(Observation({CAMERA: image}))

    def goal_image(self, view: View) -> Image:
        """The image at the end of the IDM's plan, with all agents predicted at constant velocity."""
        poses = self._idm.plan(view)
        step_m = np.hypot(*np.diff(poses[:, :2], axis=0).T)
        return self._camera.render_ahead(
            view, len(step_m) * view.dt, float(step_m.sum()), float(step_m[-1] / view.dt)
        )


class TrafficGoal:
    """Squared distance in latent space between the end of a rollout and the IDM's goal image."""

    class Config(config.Config, frozen=True, kw_only=True):
        """The model.

        Attributes:
            model: path of the bundle.
        """

        model: str = "models/bundles/drive_bev"

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self._model = traffic_model(config.model)
        self._cost = LatentGoal(LatentGoal.Config(array=self._model.array, mean_weight=0.0))

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        imagined = self._model.rollout(rollout, actions, context.domain.view)
        return self._cost(imagined, actions, Context(goal_latent=self._model.goal))


class TrafficSurprise:
    """How unlike the training data the imagined latents are; see costs/model.py."""

    class Config(TrafficGoal.Config, frozen=True, kw_only=True):
        """The model."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self._model = traffic_model(config.model)
        self._cost = Surprise(Surprise.Config(array=self._model.array))

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        return self._cost(self._model.rollout(rollout, actions, context.domain.view), actions, context)


@cache
def traffic_model(bundle: str) -> TrafficModel:
    """The traffic model of a bundle, shared by all costs that use it.

    Raises:
        ConfigError: if its images or actions differ from those of `driving/birdseye/traffic_model_io.py`.
    """
    return TrafficModel(bundle)


def _prepended(first: float, later: Floats) -> Floats:
    """Values (N, H + 1): a common first value, then `later` (N, H)."""
    return np.concatenate([np.full((len(later), 1), first), later], axis=1)


def _check(card: Card, bundle: str) -> None:
    images, size = card.observation, IMAGE.size_px
    interface = images.cameras, images.height, images.width, card.action.names
    if interface != ((CAMERA,), size, size, ACTION.names):
        raise ConfigError(
            f"{bundle} takes images {', '.join(images.cameras)} of {images.height}x{images.width} pixels and "
            f"actions {', '.join(card.action.names)}; wanted {CAMERA} of {size}x{size} and "
            f"{', '.join(ACTION.names)}: train a model on data that `wm collect` records in traffic"
        )
