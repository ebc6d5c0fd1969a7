"""V-JEPA 2-AC: a frozen encoder of pictures, and a predictor of what an action does to their tokens.

Each frame is encoded alone, doubled to fill a tubelet, and its tokens are layer-normed. The loss is the
absolute error of the next frame's tokens, from true frames, and along a short rollout over imagined ones. The
pose is not predicted: an action moves it, whatever is in the way.

Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 3; the numbers of facebookresearch/vjepa2 (MIT).
A deployed step sees the frame it starts from and those imagined since, up to `context` in all.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from wm_planner.config import Positive
from wm_planner.contracts.card import LatentSpec, Quantity
from wm_planner.control.pose import apply_action
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.networks.pictures import Pictures, side_by_side
from wm_planner.networks.rope import CPU
from wm_planner.networks.slow_features import SlowFeatures
from wm_planner.networks.vjepa2 import SIZES, VitSize, VJepa2Encoder, normalise
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, POSE_SIZE, AcPredictor
from wm_planner.networks.whitening import Whitening
from wm_planner.training.clips import DataSpec
from wm_planner.training.module import TrainableModel
from wm_planner.training.pretrained import fit, read
from wm_planner.training.recipe import TrainingRecipe

TUBELET = 2

SURVEYED = 100
"""Batches that standardise the tokens, and as many more that show which of their directions are slow."""

SLOW_WEIGHT = 0.1
"""Of the error of slow features beside that of the tokens; with 1 the tokens were learned half as well."""

LONGEST = 256
"""Frames of a context; the published predictor sees 16."""

POSES = ("tcp_pose", "tcp_position")
"""States that serve as pose, the first that the data has: 7 numbers, or the first 3 of them with the tool's
orientation and gripper at rest."""


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How a V-JEPA 2-AC is built and trained.

    Without `pretrained` weights the frozen encoder is a random one: a control.

    Attributes:
        encoder: size of the encoder that `pretrained` holds.
        part: of `pretrained` that holds the encoder: `target_encoder`, `encoder` or `ema_encoder`.
        picture: side of a camera picture after area averaging, in pixels; the cameras lie side by side.
        patch: side of a patch, in pixels.
        rollout: frames imagined one after the other in the second term of the loss.
        context: frames that a deployed step sees, its own and those imagined before it, from 1 up to `clip`.
            Keys and values of the earlier are a cache in the latent; after so many frames a rollout starts
            over from its last.
        tokens: `normed` as published; `whitened` besides, over the data, per place and channel, and predicted
            as what changes: a small encoder's normed tokens hardly do, and a loss over them rewards copying.
        slow_features: how many slow features of the tokens the latent has besides, before them, so that costs
            compare them: the distance between tokens tells little of a goal that is far away.
        units: what the predictor reads poses and actions in: `physical` (m, rad), as published weights do, or
            `scaled` by the data, which learns faster.
    """

    encoder: VitSize
    predictor: VitSize
    picture: Positive
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
                f"rollout is {self.rollout}, wanted 1 to {self.clip - 1}: a clip of {self.clip} frames "
                "has no more to compare with"
            )
        if self.context > LONGEST:
            raise ValueError(f"context is {self.context}, wanted 1 to {LONGEST} frames")
        if self.context > self.clip:
            raise ValueError(
                f"context is {self.context}, wanted 1 to {self.clip}: the predictor learns from clips of "
                "so many frames"
            )


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
    """The networks of `recipe` before training, for the cameras, pose and actions of `data`."""
    return VJepa2Ac(recipe, data)


class VJepa2Ac(TrainableModel):
    """Frozen encoder, predictor and loss; the latent is `tokens` (P, D) and the pose in physical units."""

    about = "V-JEPA 2-AC: patch tokens of a frozen video encoder, frame-causal action-conditioned predictor."
    state_mean: Tensor
    state_std: Tensor
    action_scale: Tensor

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        picture = (recipe.picture, len(data.cameras) * recipe.picture)
        self.pose = _pose(data)
        self.observation = side_by_side(data.cameras, (data.height, data.width), recipe.picture, (self.pose,))
        self.pictures = Pictures(self.observation)
        self.part, self.rollout, self.context = recipe.part, recipe.rollout, recipe.context
        self.encoder = VJepa2Encoder(recipe.encoder, picture, TUBELET, recipe.patch).requires_grad_(False)
        grid = self.encoder.grid[1:]
        self.predictor = AcPredictor(recipe.predictor, recipe.encoder.dim, grid, recipe.clip)
        self.predictor.extrinsics_encoder.requires_grad_(False)  # no camera token: it gets no gradient
        shape = (grid[0] * grid[1], recipe.encoder.dim)
        self.whitening = Whitening(*shape) if recipe.tokens == "whitened" else None
        self.slow_features = SlowFeatures(recipe.slow_features, *shape) if recipe.slow_features else None
        self.latents = (
            *(
                [LatentSpec(name="slow_features", shape=(recipe.slow_features,))]
                if self.slow_features
                else []
            ),
            LatentSpec(name="tokens", shape=shape),
            LatentSpec(name=self.pose.name, shape=(self.pose.size,), unit=self.pose.unit),
        )
        if self.context > 1:
            past = LatentSpec(name="keys_values", shape=self._past_shape(recipe.predictor), role="cache")
            frame = LatentSpec(name="frame", shape=(1,), dtype="int64", role="cache")
            self.latents += (past, frame)
        mean, std = data.statistics(self.pose.name)
        scales = {"state_mean": mean, "state_std": std, "action_scale": data.action.high}
        for name, values in scales.items():
            rest = 0.0 if name == "state_mean" else 1.0
            scale = torch.tensor([*values, *[rest] * (POSE_SIZE - len(values))], device=CPU)
            physical = torch.full((POSE_SIZE,), rest, device=CPU)
            self.register_buffer(name, scale if recipe.units == "scaled" else physical, persistent=False)

    def load_pretrained(self, path: Path) -> None:
        """Load the encoder; what is trained here, the predictor, starts from nothing."""
        fit(self.encoder, read(path, self.part))

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        """Standardise the tokens by the data, and find their slow directions."""
        if self.whitening:
            for clip in islice(clips, SURVEYED):
                self.whitening.observe(self._normed(clip["images"].flatten(0, 1)))
        if self.slow_features:
            self.slow_features.fit(self._frames(clip["images"]) for clip in islice(clips, SURVEYED))

    def lower(self) -> None:
        self.encoder.half()
        self.predictor.half()

    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        return {**self._compared(self._tokens(images)), self.pose.name: state}

    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        pose, action = self._seven(latent[self.pose.name]), self._seven(action)
        if self.context > 1:
            after = self._continue(latent, action, pose)
        else:
            one = self._predict(latent["tokens"].unsqueeze(1), action.unsqueeze(1), pose.unsqueeze(1))
            after = self._compared(one.squeeze(1))
        return {**after, self.pose.name: apply_action(pose, action)[:, : self.pose.size]}

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        pose, action = self._seven(batch["state"]), self._seven(batch["action"])
        tokens = self._frames(batch["images"])
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
        """The mean absolute error of tokens (B, T, P, D), and that of their slow features."""
        error = (imagined - real).abs().mean()
        if self.slow_features:
            error = error + SLOW_WEIGHT * self.slow_features((imagined - real).flatten(0, 1)).abs().mean()
        return error

    def _compared(self, tokens: Tensor) -> dict[str, Tensor]:
        """The learned arrays of the latent, of its tokens (B, P, D)."""
        return {
            **({"slow_features": self.slow_features(tokens)} if self.slow_features else {}),
            "tokens": tokens,
        }

    @torch.no_grad()
    def _frames(self, images: Tensor) -> Tensor:
        """The tokens (B, T, P, D) of clips of pictures (B, T, ...)."""
        return self._tokens(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    def _tokens(self, images: Tensor) -> Tensor:
        """The tokens (B, P, D) that are predicted."""
        normed = self._normed(images)
        return self.whitening(normed) if self.whitening else normed

    @torch.no_grad()
    def _normed(self, images: Tensor) -> Tensor:
        """The frozen encoder's layer-normed tokens (B, P, D) of pictures, each doubled to fill a tubelet."""
        doubled = self.pictures(images).unsqueeze(2).repeat(1, 1, TUBELET, 1, 1)  # (B, 3, 2, h, w)
        return normalise(self.encoder(doubled.to(self._dtype)).float())

    def _predict(self, tokens: Tensor, action: Tensor, pose: Tensor) -> Tensor:
        """Tokens of frames 1 to T, (B, T, P, D), from those of frames 0 to T - 1."""
        return self._after(tokens, self.predictor(*self._read(tokens, action, pose)))

    def _continue(self, latent: Mapping[str, Tensor], action: Tensor, pose: Tensor) -> dict[str, Tensor]:
        """The next frame after those whose keys and values are cached, and the cache with its own."""
        tokens, frame = latent["tokens"], latent["frame"]  # (N, P, D), (N, 1)
        cached = latent["keys_values"].to(
            self._dtype
        )  # (N, layers, 2, heads, (context - 1) (C + P), head_dim)
        past = [(layer[:, 0], layer[:, 1]) for layer in cached.unbind(1)]
        predicted, new = self.predictor.extend(frame.squeeze(1), *self._read(tokens, action, pose), past)
        own = torch.stack([torch.stack(pair, dim=1) for pair in new], dim=1).unsqueeze(4)
        slots = cached.unflatten(
            4, (self.context - 1, -1)
        )  # (N, layers, 2, heads, context - 1, C + P, head_dim)
        here = (
            torch.arange(self.context - 1, device=frame.device) == frame
        )  # (N, context - 1), none for the last
        slots = torch.where(here[:, None, None, None, :, None, None], own, slots)
        return {
            **self._compared(self._after(tokens, predicted)),
            "keys_values": slots.flatten(4, 5).float(),
            "frame": (frame + 1) % self.context,
        }

    def _read(self, tokens: Tensor, action: Tensor, pose: Tensor) -> list[Tensor]:
        """What the predictor reads, in its units and type."""
        state = (pose - self.state_mean) / self.state_std
        return [array.to(self._dtype) for array in (tokens, action / self.action_scale, state)]

    def _after(self, tokens: Tensor, predicted: Tensor) -> Tensor:
        """The tokens that follow `tokens`, of what the predictor gave."""
        return tokens + predicted.float() if self.whitening else normalise(predicted.float())

    def _past_shape(self, size: VitSize) -> tuple[int, ...]:
        """Of the keys and values of all frames but the last: (layers, 2, heads, tokens, head_dim)."""
        tokens = (self.context - 1) * self.predictor.cos.shape[1]
        return size.depth, 2, size.heads, tokens, size.dim // size.heads

    @property
    def _dtype(self) -> torch.dtype:
        """What both networks compute in."""
        return self.predictor.predictor_proj.weight.dtype

    def _seven(self, values: Tensor) -> Tensor:
        """A pose or an action with rotation and gripper at rest where the data has none, (..., 7)."""
        return pad(values, (0, POSE_SIZE - values.shape[-1]))


def _pose(data: DataSpec) -> Quantity:
    """The state that serves as pose.

    Raises:
        ConfigError: if the data has none, or its actions do not move it component by component.
    """
    known = [quantity.name for quantity in data.state]
    name = next((name for name in POSES if name in known), None)
    if name is None:
        raise ConfigError(f"the data has no pose, wanted one of {POSES}, {did_you_mean(POSES[0], known)}")
    pose, size = data.quantity(name), len(data.action.names)
    if pose.size != size or size not in (3, POSE_SIZE):
        raise ConfigError(
            f"{name} has {pose.size} numbers, the action {size}: wanted 3 of a position or {POSE_SIZE} of a "
            "pose in both, the action being what is added to it"
        )
    return pose
