"""Surprise: how far what is seen lies from what was imagined one step before."""

import math

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel


class Surprise:
    """Compares each latent with the one imagined from its predecessor and the action executed in between.

    It is the mean squared difference of the card's representation, which is whitened: 0 is as imagined, 2 as
    far off as two unrelated observations.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self._array = model.card.representation
        self.reset()

    def reset(self) -> None:
        """Forget the past: a new episode begins."""
        self._latent: Latent | None = None
        self._stamp_ns = 0
        self._actions: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._planned_ns = 0
        self._dt_ns = 1

    def expect(self, stamp_ns: int, actions: NDArray[np.float32], dt_s: float) -> None:
        """Note a plan: actions (H, A), the first executed at `stamp_ns`."""
        self._planned_ns, self._actions, self._dt_ns = stamp_ns, actions, nanoseconds(dt_s)

    def of(self, latent: Latent, stamp_ns: int) -> float:
        """The surprise of `latent` (1, ...), seen at `stamp_ns`; NaN where nothing was imagined for it."""
        before, then_ns = self._latent, self._stamp_ns
        self._latent, self._stamp_ns = latent, stamp_ns
        step = round((then_ns - self._planned_ns) / self._dt_ns)
        if before is None or stamp_ns <= then_ns or not 0 <= step < len(self._actions):
            return math.nan
        imagined, _ = self._model.step(before, self._actions[step : step + 1])
        return float(np.mean((imagined[self._array] - latent[self._array]) ** 2))
