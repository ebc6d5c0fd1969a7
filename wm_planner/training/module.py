"""The contract of a model file: a network that can be trained and, if it knows what actions do, exported."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wm_planner import plugins, share
from wm_planner.contracts.card import LatentSpec, ObservationSpec
from wm_planner.errors import ConfigError, PluginError, did_you_mean
from wm_planner.training.clips import DataSpec
from wm_planner.training.recipe import TrainingRecipe


class Trainable(nn.Module, ABC):
    """A network with a loss on clips: all that the training loop needs.

    Attributes:
        about: one sentence for the card.
        observation: which pictures and states it sees.
    """

    about: str
    observation: ObservationSpec

    @abstractmethod
    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise and its terms by name, for a batch of clips.

        Args:
            batch: `images` (B, T, cameras, H, W, 3) uint8, `state` (B, T, S), `action` (B, T, A), where
                `action[:, t]` leads from frame t to t + 1; state and action in physical units.
            progress: the share of the schedule that is done, 0 to 1.
            generator: the only source of randomness.
        """

    def load_pretrained(self, path: Path) -> None:
        """Load the recipe's `pretrained` weights, once, before the first iteration.

        Args:
            path: a file of weights, or the folder of another run.

        Raises:
            ConfigError: if this network starts from nothing.
            BundleError: if the weights do not fit.
        """
        raise ConfigError(f"{type(self).__name__} starts from nothing: leave `pretrained` ({path}) out")

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        """Called once, before the first iteration and after `load_pretrained`.

        Args:
            clips: random batches as those of `loss`, without end, the same in all processes; e.g. to
                standardise what a frozen network gives.
        """

    def after_step(self) -> None:
        """Called after every step of the optimiser, e.g. to let a target network follow."""


class TrainableModel(Trainable):
    """A world model under training. Its `encode` and `step` are what a bundle's graphs hold.

    Attributes:
        latents: the arrays that `encode` gives and `step` takes and gives, in this order; `encode` does not
            give those of role `cache`, which are zeros at first.
        max_horizon: most steps of one rollout; 0 for any number.
    """

    latents: tuple[LatentSpec, ...]
    max_horizon: int = 0

    def lower(self) -> None:
        """Keep weights, and compute, in fp16; what goes into `encode` and `step` and comes out stays fp32.

        Raises:
            ConfigError: if this network cannot.
        """
        raise ConfigError(f"{type(self).__name__} has no fp16: export it with `--precision fp32`")

    @abstractmethod
    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        """Latents of pictures (B, cameras, H, W, 3) uint8 and states (B, S) in physical units."""

    @abstractmethod
    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """Latents (N, ...) after `action` (N, A), in physical units."""


class ModelFile(NamedTuple):
    """A file of the `models` shelf.

    Attributes:
        path: of the file; its stem is the family's name.
        recipes: name to recipe; all of one class.
        build: makes the untrained network of a recipe for data of a kind.
    """

    path: Path
    recipes: Mapping[str, TrainingRecipe]
    build: Callable[[TrainingRecipe, DataSpec], Trainable]

    def recipe(self, name: str) -> TrainingRecipe:
        """The recipe called `name`.

        Raises:
            PluginError: with the closest name.
        """
        if name not in self.recipes:
            raise PluginError(f"{self.path} has no recipe '{name}', {did_you_mean(name, self.recipes)}")
        return self.recipes[name]


def load_model_file(path: str | Path) -> ModelFile:
    """Load a model file, which offers `RECIPES` and `build(recipe, data)`.

    Raises:
        PluginError: if it is missing or offers neither.
    """
    found = share.find(path)
    module = plugins.load_file(found)
    missing = [name for name in ("RECIPES", "build") if not hasattr(module, name)]
    if missing:
        raise PluginError(
            f"{found} is no model file: it lacks {' and '.join(missing)}; see models/ac_jepa.py"
        )
    return ModelFile(found, module.RECIPES, module.build)
