"""What a learned model of traffic adds to the costs of a driver's candidates: an aim, and doubt."""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.costs.base import Context, Latent, Rollout
from wm_planner.costs.latent import LatentGoal
from wm_planner.costs.model import Surprise
from wm_planner.driving.drive import Drive
from wm_planner.driving.model_step import ACTION, PICTURE, STEP_S, actions_of
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.idm import IDMPlanner
from wm_planner.driving.planners.view_camera import Picture, ViewCamera
from wm_planner.errors import ConfigError
from wm_planner.simulation.driving import CAMERA
from wm_planner.world_models.base import Observation
from wm_planner.world_models.onnx import OnnxWorldModel

Floats = NDArray[np.float64]

GOAL, SURPRISE = "latent_goal", "surprise"


class LatentTerms:
    """Costs that a driver can weigh beside its own, by the names GOAL and SURPRISE.

    The goal's picture is that of where the IDM would have brought the ego by the end of the plan, all others
    having kept their velocity. Surprise is how unlike those of training the imagined latents are.

    Raises:
        ConfigError: if the model takes other pictures or actions than `driving/model_step.py` says.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The model.

        Attributes:
            model: bundle.
        """

        model: str = "models/drive_bev"

    def __init__(self, config: Config) -> None:
        self._model = OnnxWorldModel.load(config.model, device="cpu")
        card, size = self._model.card, PICTURE.size_px
        seen = card.observation
        takes = seen.cameras, seen.height, seen.width, card.action.names
        if takes != ((CAMERA,), size, size, ACTION.names):
            raise ConfigError(
                f"{config.model} sees {', '.join(seen.cameras)} of {seen.height}x{seen.width} pixels and "
                f"takes {', '.join(card.action.names)}; wanted {CAMERA} of {size}x{size} and "
                f"{', '.join(ACTION.names)}: train a model on what `wm collect` records of traffic"
            )
        self._goal = LatentGoal(LatentGoal.Config(array=card.representation, mean_weight=0.0))
        self._surprise = Surprise(Surprise.Config(array=card.representation))
        self._idm = IDMPlanner(IDMPlanner.Config())
        self._drive: Drive | None = None

    def at(self, view: View) -> "BoundTerms":
        """The costs of candidates that start at this tick."""
        if self._drive is not view.drive:
            self._drive, self._camera = view.drive, ViewCamera(PICTURE, view.drive)
        return BoundTerms(self, view, self._encoded(self._camera.now(view)), self._encoded(self._aim(view)))

    def costs(self, rollout: Rollout, goal: Latent) -> dict[str, Floats]:
        """By name, (N,) each."""
        context = Context(goal_latent=goal)
        nothing = np.zeros((0, 0, 0))
        return {
            GOAL: np.asarray(self._goal(rollout, nothing, context), np.float64),
            SURPRISE: np.asarray(self._surprise(rollout, nothing, context), np.float64),
        }

    def imagined(self, latent: Latent, actions: NDArray[np.float32]) -> Rollout:
        """What `actions` (N, H, 2) lead to."""
        return self._model.rollout(latent, actions)

    def _encoded(self, picture: Picture) -> Latent:
        return self._model.encode(Observation({CAMERA: picture}))

    def _aim(self, view: View) -> Picture:
        """The picture of where the IDM gets."""
        poses = self._idm.plan(view)
        steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
        seconds = len(steps) * view.dt
        return self._camera.ahead(view, seconds, float(steps.sum()), float(steps[-1] / view.dt))


class BoundTerms:
    """The terms of one tick."""

    def __init__(self, terms: LatentTerms, view: View, latent: Latent, goal: Latent) -> None:
        self._terms, self._view, self._latent, self._goal = terms, view, latent, goal

    def __call__(self, states: Floats) -> dict[str, Floats]:
        """The costs (N,) of candidates, by name.

        Args:
            states: of the rear axle, (N, T + 1, 6), the first of them now; T a step of the model and more.
        """
        actions = actions_of(states, self._view.vehicle, self._view.dt)
        if not actions.shape[1]:
            raise ConfigError(f"plans of {states.shape[1] - 1} steps, wanted {STEP_S:g} s and more")
        return self._terms.costs(self._terms.imagined(self._latent, actions), self._goal)
