"""An encoder of V-JEPA 2 whose tokens tell the recorded states, for planners that compare tokens.

Every layer-normed token is trained to be a code of the state that is seen in the image: for each component,
the sine and cosine of an angle that turns with it, and their negatives. So the distance between the tokens of
two images, which is the energy of V-JEPA 2-AC, grows with the difference of every component, up to a
quarter of a turn. The states are needed in training only.

There are no actions, so this is not a world model for planning: models/vjepa2_ac.py trains a predictor on it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from wm_planner.config import Positive
from wm_planner.errors import ConfigError
from wm_planner.networks.images import ImagePreprocessor, side_by_side
from wm_planner.networks.vjepa2 import VitSize, VJepa2Encoder, normalise
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import Trainable
from wm_planner.training.pretrained import load_weights, read_weights
from wm_planner.training.recipe import PositiveReal, TrainingRecipe

TUBELET = 2
CHANNELS = 4
"""Channels per component: sine, cosine, and their negatives, so that the mean of a code is 0."""


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How the encoder is built and trained.

    Attributes:
        encoder: size of the encoder; `dim` is a multiple of 4 times the number of components.
        picture: side of a camera image after downsampling, in pixels; the cameras are joined side by side.
        patch: side of a patch, in pixels.
        states: what the tokens tell: components by name of the quantity; one that is named twice counts
            twice.
        turn: angle in rad per standard deviation of a component. Distances grow up to a difference of
            0.5 pi / turn standard deviations.
    """

    encoder: VitSize
    picture: Positive
    states: dict[str, tuple[Annotated[int, msgspec.Meta(ge=0)], ...]]
    patch: Positive = 16
    turn: PositiveReal = 0.7


RECIPES = {
    "droid": Recipe(
        encoder=VitSize(dim=168, depth=4, heads=4),
        picture=128,
        patch=64,
        states={"tcp_pose": (0, 0, 1, 1, 2, 2, 6, 6, 6, 6, 6), "block_position": (0, 1, 2)},
        batch=32,
        clip=2,
        iterations=3000,
        cpu_seconds=3000.0,
        learning_rate=2e-3,
        warmup=100,
        anneal=1600,
        weight_decay=0.01,
        decayed="matrices",
    ),
}


def build(recipe: Recipe, data: DataSpec) -> "StateTokens":
    """The untrained encoder of `recipe`, for the cameras and states of `data`."""
    return StateTokens(recipe, data)


class StateTokens(Trainable):
    """The encoder, and the code of states that its tokens are trained to be."""

    about = "An encoder of V-JEPA 2 whose tokens tell the recorded states."
    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        picture = (recipe.picture, data.camera_count() * recipe.picture)
        self.observation = side_by_side(data.cameras, (data.height, data.width), recipe.picture)
        self.pictures = ImagePreprocessor(self.observation)
        self.encoder = VJepa2Encoder(recipe.encoder, picture, TUBELET, recipe.patch)
        self.turn, self.states, self.reads = recipe.turn, recipe.states, tuple(recipe.states)
        mean, std = [], []
        for name, components in recipe.states.items():
            size = data.quantity(name).size
            if outside := [i for i in components if i >= size]:
                raise ConfigError(
                    f"states.{name} is {list(components)}: there is no {outside[0]}, only 0 to {size - 1}"
                )
            means, stds = data.statistics(name)
            mean += [means[i] for i in components]
            std += [stds[i] for i in components]
        self.copies, rest = divmod(recipe.encoder.dim, CHANNELS * max(1, len(mean)))
        if rest or not mean:
            raise ConfigError(
                f"encoder.dim is {recipe.encoder.dim}, wanted a multiple of {CHANNELS} channels for each of "
                f"the {len(mean)} components of `states`"
            )
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def load_pretrained(self, path: Path) -> None:
        """Continue from the encoder of another run, perhaps with other `states`."""
        load_weights(self.encoder, read_weights(path, "encoder"))

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        pictures = self.pictures(batch["images"].flatten(0, 1)).unsqueeze(2)  # (B T, 3, 1, h, w)
        tokens = normalise(self.encoder(pictures.repeat(1, 1, TUBELET, 1, 1)))  # (B T, P, dim)
        columns = [batch[name][..., list(components)] for name, components in self.states.items()]
        error = (tokens - self.code(torch.cat(columns, dim=-1).flatten(0, 1)).unsqueeze(1)).abs().mean()
        return error, {"code": error}

    def code(self, states: Tensor) -> Tensor:
        """The layer-normed code (B, dim) of states (B, k)."""
        angle = self.turn * (states - self.mean) / self.std
        waves = torch.stack((angle.sin(), angle.cos(), -angle.sin(), -angle.cos()), dim=-1).flatten(1)
        return normalise(waves.repeat(1, self.copies))
