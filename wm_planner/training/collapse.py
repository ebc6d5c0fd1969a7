"""Collapse of a representation, seen in the effective rank of what a model makes of its data."""

import numpy as np
import torch

from wm_planner.data.effective_rank import effective_rank
from wm_planner.training.clips import Clips
from wm_planner.training.module import Trainable
from wm_planner.training.processes import Processes
from wm_planner.training.recipe import TrainingRecipe

CLIPS = 256
ROWS = 4096
COLLAPSED = 0.5
"""A representation counts as collapsed below this share of the effective rank of the recorded states.

The recipe `small` of models/ac_jepa.py has 0.7 on `panda_reach` (2.9 of 3.9). On PushT, where it did not
learn to push, it had 2.2 for a state of 5 to 7 numbers.
"""


class RankProbe:
    """Measures the effective rank of a model's representation on clips that are always the same.

    Args:
        model: under training.
        recipe: batch and seed of its training.
        clips: the data.
        processes: of the training.

    Attributes:
        floor: effective rank below which a representation counts as collapsed: half that of the recorded
            states, each component scaled to unit variance, or of the actions if there are no states.
    """

    def __init__(self, model: Trainable, recipe: TrainingRecipe, clips: Clips, processes: Processes) -> None:
        self._model, self._recipe, self._clips, self._processes = model, recipe, clips, processes
        self.floor = COLLAPSED * _degrees_of_freedom(clips)

    @torch.no_grad()
    def measure(self) -> float | None:
        """The effective rank; None if the model has no representation, or its weights are sharded."""
        if self._processes.is_sharded or not self._processes.is_main:
            return None
        rng = np.random.default_rng((self._recipe.seed, 0, 2))
        found: list[np.ndarray] = []
        self._model.eval()
        while sum(map(len, found)) < CLIPS:
            batch = self._processes.to_device(self._clips.draw_for(self._model, self._recipe.batch, rng))
            representation = self._model.represent(batch)
            if representation is None:
                break
            found.append(representation.flatten(1).double().cpu().numpy())
        self._model.train()
        return effective_rank(np.concatenate(found)) if found else None

    def warning(self, rank: float | None) -> str | None:
        """A warning if `rank` means that the representation has collapsed."""
        if rank is None or rank >= self.floor:
            return None
        return (
            f"the representation has collapsed: its effective rank is {rank:.1f}, that of the recorded "
            f"states {self.floor / COLLAPSED:.1f}. What it leaves out cannot be planned for; give the term "
            "against collapse (e.g. sigreg) more weight"
        )


def _degrees_of_freedom(clips: Clips) -> float:
    """Effective rank of the states of frames spread over the data, or of the actions without states."""
    name = "state" if clips.spec.state else "action"
    rows = [np.asarray(data.read(name, slice(None))) for data in clips.datasets]
    values = np.concatenate([each[:: max(1, len(each) * len(rows) // ROWS)] for each in rows])
    spread = values.astype(np.float64).std(axis=0)
    moving = spread > 1e-6
    return effective_rank(values[:, moving] / spread[moving]) if moving.any() else 1.0
