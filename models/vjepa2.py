"""V-JEPA 2: an encoder of video, trained to fill in masked tokens of its own slowly following copy.

Two ways of masking hide most of a clip; from what is left the predictor gives the copy's tokens at the hidden
places, compared in absolute distance after a layer norm. There are no actions here, so this is no world model
to plan with: models/vjepa2_ac.py learns what actions do on top of an encoder trained here.

Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 2; the numbers of facebookresearch/vjepa2 (MIT).
The recipe `giant` is the published first phase; the longer, larger clips of its end are left out.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from wm_planner.config import Positive
from wm_planner.networks import shares
from wm_planner.networks.masks import LONG_RANGE, SHORT_RANGE, BlockMask, BlockSampler
from wm_planner.networks.pictures import Pictures, side_by_side
from wm_planner.networks.vjepa2 import (
    MASKED_PREDICTOR,
    SIZES,
    MaskedPredictor,
    VitSize,
    VJepa2Encoder,
    normalise,
    take,
)
from wm_planner.training.clips import DataSpec
from wm_planner.training.module import Trainable
from wm_planner.training.recipe import TrainingRecipe


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How a V-JEPA 2 is built and trained.

    Attributes:
        picture: side of a camera picture after area averaging, in pixels; the cameras lie side by side.
        patch: side of a patch, in pixels.
        masks: ways of masking; each clip is seen once under each.
        ema: share of itself that the copy keeps at every iteration.
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
    """Encoder, its copy and the masked predictor. `target_encoder`, the copy, is what is used afterwards."""

    about = "V-JEPA 2: an encoder of video that was trained to fill in what is masked."

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        picture = (recipe.picture, len(data.cameras) * recipe.picture)
        self.observation = side_by_side(data.cameras, (data.height, data.width), recipe.picture)
        self.pictures = Pictures(self.observation)
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
            drawn = sampler.draw(clips * shares.number(), generator)  # for the whole batch, by every process
            seen, wanted = (shares.own(tokens).to(video.device) for tokens in drawn)
            filled = self.predictor(self.encoder(video, seen), seen, wanted, i)
            terms[f"masked.{i}"] = (filled - take(target, wanted)).abs().mean()
        loss = torch.stack(list(terms.values())).mean()
        spread = shares.moments(target)[1].sqrt().mean()  # of a token over the clips: 0 is collapse
        return loss, {**terms, "spread": spread}

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the copy follow the encoder."""
        for copy, weight in zip(self.target_encoder.parameters(), self.encoder.parameters(), strict=True):
            copy.lerp_(weight, 1.0 - self.ema)
