"""Surprise: the prediction error of the latest observation."""

import math
from collections.abc import Mapping

import numpy as np

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel

CAPABILITY = "surprise"


class Surprise:
    """How unexpected each latent is, given the previous one and the action executed in between.

    A model with the capability `surprise` says so itself, in its own unit. For other models, the surprise is
    the mean squared difference of the card's representation, which is whitened: 0 for a perfect prediction, 2
    for two unrelated observations.

    Args:
        model: predicts the next latent.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        card = model.card
        self._is_own = CAPABILITY in card.capabilities
        learned = [spec for spec in card.latents if spec.unit is None and spec.role == "candidate"]
        self._array = card.representation if learned else None
        self.reset()

    def reset(self) -> None:
        """Start a new episode: drop the previous latent."""
        self._latent: Latent | None = None

    def of(self, latent: Latent, last_action: Array | None, outputs: Mapping[str, Array]) -> float:
        """The surprise of a latent (1, ...); NaN if there is no prediction of it.

        Args:
            latent: of the next observation.
            last_action: executed since the previous observation, (A,); None if it is not known.
            outputs: of the encoder, (1,) by name.
        """
        previous, self._latent = self._latent, latent
        if previous is None or last_action is None:
            return math.nan
        if self._is_own:
            return float(outputs[CAPABILITY][0])
        if self._array is None:
            return math.nan
        predicted, _ = self._model.step(previous, np.asarray(last_action, np.float32)[None])
        return float(np.mean((predicted[self._array] - latent[self._array]) ** 2))
