"""V-JEPA 2: a video encoder, trained to predict masked tokens of its own exponential moving average.

Two masking strategies hide most of a clip. From the rest, a predictor estimates the tokens of the moving
average at the hidden positions; the loss is their L1 distance after a layer norm. There are no actions, so
this is not a world model for planning: models/vjepa2_ac.py trains a predictor of actions on top of it.

Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 2; the parameters of facebookresearch/vjepa2
(MIT). The recipe `giant` is the published first phase, without the final phase on longer and larger clips.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from wm_planner.config import Positive
from wm_planner.networks import distributed
from wm_planner.networks.images import ImagePreprocessor, side_by_side
from wm_planner.networks.masks import LONG_RANGE, SHORT_RANGE, BlockMask, BlockSampler
from wm_planner.networks.vjepa2 import (
    MASKED_PREDICTOR,
    SIZES,
    MaskedPredictor,
    VitSize,
    VJepa2Encoder,
    gather_tokens,
    normalise,
)
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import Trainable
from wm_planner.training.recipe import TrainingRecipe


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How a V-JEPA 2 is built and trained.

    Attributes:
        encoder: size of the encoder.
        predictor: size of the masked predictor.
        picture: side of a camera image after downsampling, in pixels; the cameras are joined side by side.
        patch: side of a patch, in pixels.
        masks: masking strategies, each applied to every clip.
        ema: decay of the moving average per iteration.
    """

    encoder: VitSize
    predictor: VitSize
    picture: Positive
    patch: Positive = 16
    masks: tuple[BlockMask, ...] = (SHORT_RANGE, LONG_RANGE)
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.99925


RECIPES = {
    "small": Recipe(
        encoder=VitSize(dim=96, depth=4, heads=3),
        predictor=VitSize(dim=48, depth=2, heads=2),
        picture=64,
        clip=8,
        iterations=3000,
        cpu_seconds=3000.0,
        learning_rate=5e-4,
        warmup=300,
        anneal=0,
        weight_decay=0.04,
        decayed="matrices",
        ema=0.998,
    ),
    "giant": Recipe(
        encoder=SIZES["giant"],
        predictor=MASKED_PREDICTOR,
        picture=256,
        clip=16,
        batch=3072,
        iterations=240_000,
        cpu_seconds=1e9,
        learning_rate=5.25e-4,
        warmup=12_000,
        warmup_from=1e-4 / 5.25e-4,
        anneal=0,
        weight_decay=0.04,
        decayed="matrices",
        max_gradient_norm=10.0,
    ),
}


def build(recipe: Recipe, data: DataSpec) -> "VJepa2":
    """The untrained networks of `recipe`, for the cameras of `data`."""
    return VJepa2(recipe, data)


class VJepa2(Trainable):
    """Encoder, its moving average `target_encoder`, which is the result of the training, and predictor."""

    about = "V-JEPA 2: a video encoder trained to predict masked tokens."

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        picture = (recipe.picture, data.camera_count() * recipe.picture)
        self.observation = side_by_side(data.cameras, (data.height, data.width), recipe.picture)
        self.pictures = ImagePreprocessor(self.observation)
        self.ema = recipe.ema
        self.encoder = VJepa2Encoder(recipe.encoder, picture, recipe.clip, recipe.patch)
        self.target_encoder = deepcopy(self.encoder).requires_grad_(False)
        grid = self.encoder.grid
        self.predictor = MaskedPredictor(recipe.predictor, recipe.encoder.dim, grid, len(recipe.masks))
        self.samplers = [BlockSampler(mask, grid) for mask in recipe.masks]

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        clips, frames = batch["images"].shape[:2]
        video = self.pictures(batch["images"].flatten(0, 1)).unflatten(0, (clips, frames)).transpose(1, 2)
        with torch.no_grad():
            target = normalise(self.target_encoder(video))
        terms = {}
        for i, sampler in enumerate(self.samplers):
            masks = sampler.draw(clips * distributed.world_size(), generator)  # of all processes, in each
            seen, wanted = (distributed.local_shard(indices).to(video.device) for indices in masks)
            predicted = self.predictor(self.encoder(video, seen), seen, wanted, i)
            terms[f"masked.{i}"] = (predicted - gather_tokens(target, wanted)).abs().mean()
        loss = torch.stack(list(terms.values())).mean()
        spread = distributed.moments(target)[1].sqrt().mean()  # of a token over the clips; 0 means collapse
        return loss, {**terms, "spread": spread}

    @torch.no_grad()
    def after_step(self) -> None:
        """Update the moving average of the encoder's weights."""
        for average, weight in zip(self.target_encoder.parameters(), self.encoder.parameters(), strict=True):
            average.lerp_(weight, 1.0 - self.ema)
