"""Encoded starts and goals, sampled from data sets, for policies that are trained in imagination."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wm_planner.contracts.dataset import Dataset
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.task import Goal
from wm_planner.data.forms import open_dataset
from wm_planner.errors import ConfigError, DatasetError
from wm_planner.training.clips import Clips
from wm_planner.training.data_spec import Reader
from wm_planner.training.imagination import Imagination
from wm_planner.training.recipe import PolicyRecipe, TrainingRecipe

Arrays = dict[str, NDArray[np.generic]]

LATENT, GOAL = "latent.", "goal."
"""Prefixes of the arrays of a batch."""


class EncodedPairs(Clips):
    """Starts and goals from `datasets`, as latents of a frozen world model.

    Frames are encoded once, when the first batch is drawn. A goal is a later frame of the same episode, or
    any frame of the same data set; it is encoded from its images alone, as goals are in use.

    Args:
        datasets: with the cameras and the action of the model.
        recipe: which frames are encoded, and how goals are chosen.
        imagination: the world model.

    Raises:
        DatasetError: if the data have other cameras than the model, or another action where it remembers.
    """

    def __init__(self, datasets: Sequence[Dataset], recipe: PolicyRecipe, imagination: Imagination) -> None:
        super().__init__(datasets, frames=1)
        self._recipe, self._imagination = recipe, imagination
        card, spec = imagination.card, self.spec
        missing = sorted(set(card.observation.cameras) - set(spec.cameras))
        missing += [each.name for each in card.observation.state if each not in spec.state]
        if missing or (card.remembers and spec.action.names != card.action.names):
            lacks = f"lacks {', '.join(missing)} and " if missing else ""
            raise DatasetError(
                f"{datasets[0].path} {lacks}has the action {', '.join(spec.action.names)}, that of "
                f"{card.name} is {', '.join(card.action.names)}: give the data that the model was trained on"
            )

    def draw_for(
        self, model: Reader, count: int, rng: np.random.Generator, share: slice = slice(None)
    ) -> dict[str, Tensor]:
        """Random starts and goals: arrays `latent.<name>` and `goal.<name>`, (B, ...).

        Args:
            model: what it reads is ignored.
            count: number of pairs to sample.
            rng: source of randomness.
            share: the part of the sampled pairs that is returned, in a distributed training.
        """
        latents, goals, ends, sets = self._encoded
        starts = rng.integers(len(ends), size=count)
        nearest, furthest = self._recipe.ahead
        later = np.minimum(starts + rng.integers(nearest, furthest + 1, size=count), ends[starts])
        first, last = sets[starts].T
        anywhere = rng.integers(first, last)
        chosen = np.where(rng.random(count) < self._recipe.elsewhere, anywhere, later)
        batch = {LATENT + name: torch.from_numpy(array[starts[share]]) for name, array in latents.items()}
        return batch | {GOAL + name: torch.from_numpy(array[chosen[share]]) for name, array in goals.items()}

    @cached_property
    def _encoded(self) -> tuple[Arrays, Arrays, NDArray[np.int64], NDArray[np.int64]]:
        """Latents and goals (n, ...) of all frames; the last frame of each one's episode, (n,); the first
        frame of its data set and the one after its last, (n, 2).
        """
        latents: list[Latent] = []
        goals: list[Latent] = []
        ends, sets = list[int](), list[tuple[int, int]]()
        for data in self.datasets:
            first = len(latents)
            episodes = np.unique(data.episode)
            count = min(len(episodes), max(1, self._recipe.episodes * len(data.episode) // self._frames))
            for episode in episodes[np.linspace(0, len(episodes) - 1, count).astype(int)]:
                rows = np.flatnonzero(data.episode == episode)
                self._encode(data, slice(rows[0], rows[-1] + 1), latents, goals)
                ends += [len(latents) - 1] * len(rows)
            sets += [(first, len(latents))] * (len(latents) - first)
        return _stacked(latents), _stacked(goals), np.array(ends), np.array(sets)

    @property
    def _frames(self) -> int:
        """Number of frames of all data sets."""
        return sum(len(data.episode) for data in self.datasets)

    def _encode(self, data: Dataset, rows: slice, latents: list[Latent], goals: list[Latent]) -> None:
        """Encode one episode as perception does: with the state, and with memory where the model has it."""
        model, card = self._imagination.model, self._imagination.card
        images, states, actions = (np.asarray(data.read(n, rows)) for n in ("images", "state", "action"))
        columns = {each.name: self.spec.columns([each.name]) for each in card.observation.state}
        cameras = {name: self.spec.cameras.index(name) for name in card.observation.cameras}
        memory: Latent | None = None
        for t in range(len(images)):
            pictures = {name: images[t, index] for name, index in cameras.items()}
            state = {name: states[t, index] for name, index in columns.items()}
            seen = Observation(pictures, state)
            if memory is None or not card.remembers:
                memory = model.encode(seen)
            else:
                memory = model.encode(seen, actions[t - 1], memory)
            latents.append(memory)
            alone = not columns and (t == 0 or not card.remembers)
            goals.append(memory if alone else model.encode(Goal(pictures)))


def imagination_of(model_file: str, recipe: TrainingRecipe, of: str | None) -> Imagination | None:
    """The world model `of` in which a policy is trained; None for any other training.

    Raises:
        ConfigError: if a policy is to be trained without a model, or anything else with one.
    """
    if isinstance(recipe, PolicyRecipe) and of is None:
        raise ConfigError(
            f"{model_file} trains a policy in the imagination of a world model: name a bundle or a run, e.g. "
            "--of models/bundles/panda_reach_small"
        )
    if of is not None and not isinstance(recipe, PolicyRecipe):
        raise ConfigError(f"{model_file} does not train a policy: leave out --of {of}")
    return None if of is None else Imagination.load(of)


def clips_of(folders: Sequence[str | Path], recipe: TrainingRecipe, imagination: Imagination | None) -> Clips:
    """The data in `folders`; for a policy, if there are no folders, those of its world model."""
    if imagination is None or not isinstance(recipe, PolicyRecipe):
        return Clips([open_dataset(folder) for folder in folders], recipe.clip, recipe.stride)
    data = [open_dataset(folder) for folder in folders or imagination.source.data]
    return EncodedPairs(data, recipe, imagination)


def _stacked(latents: Sequence[Latent]) -> Arrays:
    """Latents (1, ...) as one (n, ...)."""
    return {name: np.concatenate([latent[name] for latent in latents]) for name in latents[0]}
