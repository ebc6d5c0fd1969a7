"""V-JEPA 2-AC: a frozen image encoder, and an action-conditioned predictor of its tokens.

Each frame is encoded on its own, doubled to fill a tubelet, and its tokens are layer-normed. The loss is the
L1 error of the next frame's tokens, predicted from true frames (teacher forcing) and along a short rollout of
predicted ones. The pose is not predicted: actions are added to it, regardless of contact.

Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 3; the parameters of facebookresearch/vjepa2
(MIT). A deployed step attends to the frame it starts from and those imagined before it, up to `context`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from wm_planner.config import Positive
from wm_planner.contracts.card import LatentSpec
from wm_planner.control.pose import apply_action
from wm_planner.networks.images import ImagePreprocessor, side_by_side
from wm_planner.networks.rope import CPU
from wm_planner.networks.slow_features import SlowFeatures
from wm_planner.networks.vjepa2 import SIZES, VitSize, normalise
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, POSE_SIZE, AcPredictor
from wm_planner.networks.whitening import Whitening
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import TrainableModel
from wm_planner.training.pretrained import load_weights, read_weights
from wm_planner.training.published import ARCHITECTURES, Architecture
from wm_planner.training.recipe import TrainingRecipe
from wm_planner.training.tool_pose import pose_of

TUBELET = 2

FIT_BATCHES = 100
"""Batches for the statistics of the tokens, and as many again for the slow features."""

SLOW_WEIGHT = 0.1
"""Weight of the error of slow features; with 1 the error of the tokens was twice as large."""

MAX_CONTEXT = 256
"""Largest context in frames; the published predictor attends to 16."""


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How a V-JEPA 2-AC is built and trained.

    Without `pretrained` weights the frozen encoder is random, as a control.

    Attributes:
        encoder: size of the encoder in `pretrained`.
        architecture: of the encoder, `vjepa2` or `vjepa2_1`.
        predictor: size of the predictor.
        picture: side of a camera image after downsampling, in pixels; the cameras are joined side by side.
        load: what is taken from `pretrained`: the `encoder`; its `tokens`, with the statistics of whitened
            ones, so that losses compare; or `all` to fine-tune a V-JEPA 2-AC, published or of an own run: the
            tokens and the predictor.
        part: the part of `pretrained` with the encoder: `target_encoder` or `ema_encoder` of an encoder's
            file, `encoder` of a V-JEPA 2-AC.
        patch: side of a patch, in pixels.
        rollout: frames predicted autoregressively in the second term of the loss.
        context: frames that a deployed step attends to, including its own, from 1 to `clip`. Keys and values
            of the earlier ones are a cache in the latent. After this many frames, the context starts again
            with the latest frame.
        tokens: `normed`, as published; `whitened`, in addition standardised over the data per position and
            channel and predicted as a residual, because the normed tokens of a small encoder hardly change in
            time, so that a loss on them rewards copying.
        slow_features: number of slow features in the latent. They come before the tokens, so that costs
            compare them by default: distances between tokens say little about a goal that is far away.
        units: of the predictor's poses and actions: `physical` (m, rad), as for published weights, or
            `scaled` by the data's statistics, which trains faster.
    """

    encoder: VitSize
    predictor: VitSize
    picture: Positive
    architecture: Architecture = "vjepa2"
    load: Literal["encoder", "tokens", "all"] = "encoder"
    part: str = "target_encoder"
    patch: Positive = 16
    rollout: Positive = 2
    context: Positive = 1
    tokens: Literal["normed", "whitened"] = "normed"
    slow_features: int = 0
    units: Literal["physical", "scaled"] = "physical"

    def __post_init__(self) -> None:
        if self.rollout >= self.clip:
            raise ValueError(
                f"rollout is {self.rollout}, wanted 1 to {self.clip - 1}, the frames after the first in a "
                f"clip of {self.clip}"
            )
        if self.load != "encoder" and self.pretrained is None:
            raise ValueError(
                f"load is {self.load}, but there is nothing to load: set pretrained to a file or a run"
            )
        if self.context > (most := min(self.clip, MAX_CONTEXT)):
            raise ValueError(f"context is {self.context}, wanted 1 to {most} frames, at most the clip's")


RECIPES = {
    "small": Recipe(
        encoder=VitSize(dim=96, depth=4, heads=3),
        predictor=VitSize(dim=96, depth=3, heads=3),
        picture=64,
        clip=6,
        iterations=4500,
        cpu_seconds=3000.0,
        learning_rate=1e-3,
        warmup=300,
        warmup_from=0.18,
        anneal=1500,
        weight_decay=0.04,
        decayed="matrices",
        tokens="whitened",
        slow_features=8,
        units="scaled",
    ),
    "droid": Recipe(
        encoder=VitSize(dim=168, depth=4, heads=4),
        predictor=VitSize(dim=128, depth=2, heads=4),
        picture=128,
        patch=64,
        part="encoder",
        batch=32,
        clip=3,
        context=2,
        iterations=1500,
        cpu_seconds=3000.0,
        learning_rate=2e-3,
        warmup=40,
        anneal=900,
        weight_decay=0.04,
        decayed="matrices",
        units="scaled",
    ),
    "giant": Recipe(
        encoder=SIZES["giant"],
        predictor=AC_PREDICTOR,
        picture=256,
        clip=8,
        batch=256,
        iterations=94_500,
        cpu_seconds=1e9,
        learning_rate=4.25e-4,
        warmup=4500,
        warmup_from=7.5e-5 / 4.25e-4,
        anneal=4500,
        weight_decay=0.04,
        decayed="matrices",
    ),
}


def build(recipe: Recipe, data: DataSpec) -> "VJepa2Ac":
    """The untrained networks of `recipe`, for the cameras, pose and actions of `data`."""
    return VJepa2Ac(recipe, data)


class VJepa2Ac(TrainableModel):
    """Frozen encoder, predictor and loss; the latent is `tokens` (P, D) and the pose in physical units."""

    about = "V-JEPA 2-AC: patch tokens of a frozen video encoder, frame-causal action-conditioned predictor."
    state_mean: Tensor
    state_std: Tensor
    action_scale: Tensor

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        picture = (recipe.picture, data.camera_count() * recipe.picture)
        self.pose = pose_of(data)
        self.observation = side_by_side(data.cameras, (data.height, data.width), recipe.picture, (self.pose,))
        self.pictures = ImagePreprocessor(self.observation)
        self.part, self.rollout, self.context = recipe.part, recipe.rollout, recipe.context
        self.load = recipe.load
        encoder = ARCHITECTURES[recipe.architecture](recipe.encoder, picture, TUBELET, recipe.patch)
        self.encoder = encoder.requires_grad_(False)
        grid = self.encoder.grid[1:]
        self.predictor = AcPredictor(recipe.predictor, recipe.encoder.dim, grid, recipe.clip)
        self.predictor.extrinsics_encoder.requires_grad_(False)  # unused, because there is no camera token
        shape = (grid[0] * grid[1], recipe.encoder.dim)
        self.whitening = Whitening(*shape) if recipe.tokens == "whitened" else None
        self.slow_features = SlowFeatures(recipe.slow_features, *shape) if recipe.slow_features else None
        slow = [LatentSpec(name="slow_features", shape=(recipe.slow_features,))] if self.slow_features else []
        pose = LatentSpec(name=self.pose.name, shape=(self.pose.size,), unit=self.pose.unit)
        self.latents = (*slow, LatentSpec(name="tokens", shape=shape), pose)
        if self.context > 1:
            past = LatentSpec(name="keys_values", shape=self._past_shape(recipe.predictor), role="cache")
            frame = LatentSpec(name="frame", shape=(1,), dtype="int64", role="cache")
            self.latents += (past, frame)
        mean, std = data.statistics(self.pose.name)
        scales = {"state_mean": mean, "state_std": std, "action_scale": data.action.high}
        for name, values in scales.items():
            identity = 0.0 if name == "state_mean" else 1.0
            scale = torch.tensor([*values, *[identity] * (POSE_SIZE - len(values))], device=CPU)
            physical = torch.full((POSE_SIZE,), identity, device=CPU)
            self.register_buffer(name, scale if recipe.units == "scaled" else physical, persistent=False)

    def load_pretrained(self, path: Path) -> None:
        """Load what the recipe's `load` says."""
        load_weights(self.encoder, read_weights(path, self.part))
        if self.load == "all":
            load_weights(self.predictor, read_weights(path, "predictor"))
        if self.whitening and self.load != "encoder":
            load_weights(self.whitening, read_weights(path, "whitening"))

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        """Compute the statistics of the tokens, unless they were loaded, and their slow features."""
        if self.whitening and self.load == "encoder":
            for clip in islice(clips, FIT_BATCHES):
                self.whitening.observe(self._normed(clip["images"].flatten(0, 1)))
        if self.slow_features:
            self.slow_features.fit(self._clip_tokens(clip["images"]) for clip in islice(clips, FIT_BATCHES))

    def to_half(self) -> None:
        self.encoder.half()
        self.predictor.half()

    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        return {**self._learned(self._tokens(images)), self.pose.name: state}

    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        pose, action = self._padded(latent[self.pose.name]), self._padded(action)
        if self.context > 1:
            after = self._step_cached(latent, action, pose)
        else:
            one = self._predict(latent["tokens"].unsqueeze(1), action.unsqueeze(1), pose.unsqueeze(1))
            after = self._learned(one.squeeze(1))
        return {**after, self.pose.name: apply_action(pose, action)[:, : self.pose.size]}

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        pose, action = self._padded(batch["state"]), self._padded(batch["action"])
        tokens = self._clip_tokens(batch["images"])
        forced = self._predict(tokens[:, :-1], action[:, :-1], pose[:, :-1])
        frames = torch.cat((tokens[:, :1], forced[:, :1]), dim=1)
        for t in range(2, self.rollout + 1):
            after = self._predict(frames, action[:, :t], pose[:, :t])
            frames = torch.cat((frames, after[:, -1:]), dim=1)
        terms = {
            "teacher_forced": self._error(forced, tokens[:, 1:]),
            "rollout": self._error(frames[:, 1:], tokens[:, 1 : self.rollout + 1]),
        }
        return torch.stack(list(terms.values())).sum(), terms

    def _error(self, imagined: Tensor, real: Tensor) -> Tensor:
        """Mean absolute error of tokens (B, T, P, D), plus that of their slow features."""
        error = (imagined - real).abs().mean()
        if self.slow_features:
            error = error + SLOW_WEIGHT * self.slow_features((imagined - real).flatten(0, 1)).abs().mean()
        return error

    def _learned(self, tokens: Tensor) -> dict[str, Tensor]:
        """The learned arrays of the latent, from its tokens (B, P, D)."""
        return {
            **({"slow_features": self.slow_features(tokens)} if self.slow_features else {}),
            "tokens": tokens,
        }

    @torch.no_grad()
    def _clip_tokens(self, images: Tensor) -> Tensor:
        """The tokens (B, T, P, D) of clips of images (B, T, ...)."""
        return self._tokens(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    def _tokens(self, images: Tensor) -> Tensor:
        """The tokens (B, P, D) of images, in the form in which they are predicted."""
        normed = self._normed(images)
        return self.whitening(normed) if self.whitening else normed

    @torch.no_grad()
    def _normed(self, images: Tensor) -> Tensor:
        """The frozen encoder's layer-normed tokens (B, P, D) of images, each doubled to fill a tubelet."""
        doubled = self.pictures(images).unsqueeze(2).repeat(1, 1, TUBELET, 1, 1)  # (B, 3, 2, h, w)
        return normalise(self.encoder(doubled.to(self._dtype)).float())

    def _predict(self, tokens: Tensor, action: Tensor, pose: Tensor) -> Tensor:
        """Tokens of frames 1 to T, (B, T, P, D), from those of frames 0 to T - 1."""
        return self._next_tokens(tokens, self.predictor(*self._predictor_inputs(tokens, action, pose)))

    def _step_cached(self, latent: Mapping[str, Tensor], action: Tensor, pose: Tensor) -> dict[str, Tensor]:
        """One step with cached keys and values of earlier frames; also returns the updated cache."""
        tokens, frame = latent["tokens"], latent["frame"]  # (N, P, D), (N, 1)
        # (N, layers, 2, heads, (context - 1) (C + P), head_dim)
        cached = latent["keys_values"].to(self._dtype)
        past = [(layer[:, 0], layer[:, 1]) for layer in cached.unbind(1)]
        predicted, new = self.predictor.extend(
            frame.squeeze(1), *self._predictor_inputs(tokens, action, pose), past
        )
        own = torch.stack([torch.stack(pair, dim=1) for pair in new], dim=1).unsqueeze(4)
        # (N, layers, 2, heads, context - 1, C + P, head_dim), and the slot of this frame, none for the last
        slots = cached.unflatten(4, (self.context - 1, -1))
        here = torch.arange(self.context - 1, device=frame.device) == frame  # (N, context - 1)
        slots = torch.where(here[:, None, None, None, :, None, None], own, slots)
        return {
            **self._learned(self._next_tokens(tokens, predicted)),
            "keys_values": slots.flatten(4, 5).float(),
            "frame": (frame + 1) % self.context,
        }

    def _predictor_inputs(self, tokens: Tensor, action: Tensor, pose: Tensor) -> list[Tensor]:
        """Tokens, action and state in the predictor's units and dtype."""
        state = (pose - self.state_mean) / self.state_std
        return [array.to(self._dtype) for array in (tokens, action / self.action_scale, state)]

    def _next_tokens(self, tokens: Tensor, predicted: Tensor) -> Tensor:
        """The tokens that follow `tokens`, from the predictor's output."""
        return tokens + predicted.float() if self.whitening else normalise(predicted.float())

    def _past_shape(self, size: VitSize) -> tuple[int, ...]:
        """Shape of the cache, (layers, 2, heads, tokens, head_dim): keys and values of all but one frame."""
        tokens = (self.context - 1) * self.predictor.cos.shape[1]
        return size.depth, 2, size.heads, tokens, size.dim // size.heads

    @property
    def _dtype(self) -> torch.dtype:
        """The dtype of both networks."""
        return self.predictor.predictor_proj.weight.dtype

    def _padded(self, values: Tensor) -> Tensor:
        """A pose or action, with zero rotation and gripper if the data has none, (..., 7)."""
        return pad(values, (0, POSE_SIZE - values.shape[-1]))
