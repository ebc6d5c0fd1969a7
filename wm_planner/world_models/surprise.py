"""Surprise: the prediction error of the latest observation."""

import math

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel


class Surprise:
    """Compares each latent with its prediction from the previous latent and the action executed in between.

    The surprise is the mean squared difference of the card's representation, which is whitened: 0 for a
    perfect prediction, 2 for two unrelated observations.

    Args:
        model: predicts the next latent.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self._array = model.card.representation
        self.reset()

    def reset(self) -> None:
        """Start a new episode: drop the previous latent and plan."""
        self._latent: Latent | None = None
        self._stamp_ns = 0
        self._actions: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._planned_ns = 0
        self._dt_ns = 1

    def expect(self, stamp_ns: int, actions: NDArray[np.float32], dt_s: float) -> None:
        """Record a plan: actions (H, A) every `dt_s` seconds, the first executed at `stamp_ns`."""
        self._planned_ns, self._actions, self._dt_ns = stamp_ns, actions, nanoseconds(dt_s)

    def of(self, latent: Latent, stamp_ns: int) -> float:
        """The surprise of `latent` (1, ...), observed at `stamp_ns`; NaN if there is no prediction of it."""
        previous, previous_ns = self._latent, self._stamp_ns
        self._latent, self._stamp_ns = latent, stamp_ns
        step = round((previous_ns - self._planned_ns) / self._dt_ns)
        if previous is None or stamp_ns <= previous_ns or not 0 <= step < len(self._actions):
            return math.nan
        predicted, _ = self._model.step(previous, self._actions[step : step + 1])
        return float(np.mean((predicted[self._array] - latent[self._array]) ** 2))
