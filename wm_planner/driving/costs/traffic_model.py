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
from wm_planner.driving.birdseye.view_camera import Picture, ViewCamera
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
    """A bundle, what it sees at the tick at hand, and what it imagined last: costs of one tick share both."""

    def __init__(self, bundle: str) -> None:
        self._model = OnnxWorldModel.load(bundle, device="cpu")
        _check(self._model.card, bundle)
        self._idm = IDMPlanner(IDMPlanner.Config())
        self._drive: Drive | None = None
        self._view: View | None = None
        self._actions: Array = None

    @property
    def array(self) -> str:
        """The latent's name."""
        return self._model.card.representation

    def look(self, view: View) -> None:
        """Take in a view, unless it is the one at hand."""
        if view is self._view:
            return
        if view.drive is not self._drive:
            self._drive, self._camera = view.drive, ViewCamera(IMAGE, view.drive)
        self._view, self._actions = view, None
        self._latent = self.encoded(self._camera.render_now(view))
        self.goal = self.encoded(self.aim(view))

    def imagined(self, rollout: Rollout, actions: Array, view: View) -> Rollout:
        """What the candidates of a driver lead to, as the model imagines it.

        Args:
            rollout: with the state `speed`, (N, H, 1), in m/s.
            actions: (N, H, 2), the second of them the angle of the front wheel, in rad.
        """
        self.look(view)
        if self._actions is not actions:
            speed = _from(float(view.ego[SPEED]), rollout.states["speed"][..., 0])
            steering = _from(float(view.ego[STEERING]), actions[..., 1])
            coarse = actions_from_motion(speed, steering, view.vehicle.wheelbase_m, view.dt)
            self._rollout, self._actions = self._model.rollout(self._latent, coarse), actions
        return self._rollout

    def encoded(self, picture: Picture) -> Latent:
        """The latent of a picture, (1, ...)."""
        return self._model.encode(Observation({CAMERA: picture}))

    def aim(self, view: View) -> Picture:
        """The picture of where the IDM gets, all others having kept their velocity: it moves along."""
        poses = self._idm.plan(view)
        steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
        return self._camera.render_ahead(
            view, len(steps) * view.dt, float(steps.sum()), float(steps[-1] / view.dt)
        )


class TrafficGoal:
    """How far imagined pictures end from that of the IDM's place and speed: squared, in the latent."""

    class Config(config.Config, frozen=True, kw_only=True):
        """The model.

        Attributes:
            model: bundle.
        """

        model: str = "models/bundles/drive_bev"

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self._model = traffic_model(config.model)
        self._cost = LatentGoal(LatentGoal.Config(array=self._model.array, mean_weight=0.0))

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        imagined = self._model.imagined(rollout, actions, context.domain.view)
        return self._cost(imagined, actions, Context(goal_latent=self._model.goal))


class TrafficSurprise:
    """How unlike those of training the imagined pictures are: see costs/model.py."""

    class Config(TrafficGoal.Config, frozen=True, kw_only=True):
        """The model."""

    requires = REQUIRES

    def __init__(self, config: Config) -> None:
        self._model = traffic_model(config.model)
        self._cost = Surprise(Surprise.Config(array=self._model.array))

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        return self._cost(self._model.imagined(rollout, actions, context.domain.view), actions, context)


@cache
def traffic_model(bundle: str) -> TrafficModel:
    """The model that all costs of one bundle share.

    Raises:
        ConfigError: if it takes other pictures or actions than `driving/birdseye/traffic_model_io.py` says.
    """
    return TrafficModel(bundle)


def _from(first: float, later: Floats) -> Floats:
    """Values (N, H + 1) that begin with the same."""
    return np.concatenate([np.full((len(later), 1), first), later], axis=1)


def _check(card: Card, bundle: str) -> None:
    seen, size = card.observation, IMAGE.size_px
    takes = seen.cameras, seen.height, seen.width, card.action.names
    if takes != ((CAMERA,), size, size, ACTION.names):
        raise ConfigError(
            f"{bundle} sees {', '.join(seen.cameras)} of {seen.height}x{seen.width} pixels and takes "
            f"{', '.join(card.action.names)}; wanted {CAMERA} of {size}x{size} and "
            f"{', '.join(ACTION.names)}: train a model on what `wm collect` records of traffic"
        )
