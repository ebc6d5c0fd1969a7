"""Action-conditioned JEPA, trained end to end: an encoder, and a predictor of the encoder's future latents.

The loss is the one-step prediction error, the error of an open-loop rollout over the clip, and SIGReg, which
alone prevents collapse: there is no target network, no stop-gradient and no decoder. Two encoders are
available: a convolutional network over stacked cameras with a single latent vector, and, in the manner of
V-JEPA 2, patch tokens with 3-D RoPE and a frame-causal predictor.

Sources: LeJEPA (arXiv 2511.08544) and LeWM (arXiv 2603.19312) for the end-to-end loss, V-JEPA 2 (arXiv
2506.09985) for the tokens. Differs from V-JEPA 2-AC in that the encoder is not frozen, images are not doubled
to two frames, and the predictor also predicts the position, which contact can block.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from wm_planner.config import Config
from wm_planner.contracts.card import LatentSpec, ObservationSpec
from wm_planner.errors import ConfigError
from wm_planner.networks.images import ImagePreprocessor
from wm_planner.networks.sigreg import SigReg
from wm_planner.networks.tokens import FrameCausalTransformer, ImageTransformer
from wm_planner.networks.whitening import BatchWhitening
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import TrainableModel
from wm_planner.training.recipe import TrainingRecipe

POSITION = "tcp_position"
PIXEL_MEAN, PIXEL_STD = 0.25, 0.25  # of the Panda scenes, pixels scaled to 0..1; traffic has 0.05 and 0.13
SETTLED = 0.3
"""Fraction of the schedule after which the weight of SIGReg is constant."""


class Conv(Config, frozen=True, kw_only=True, tag="conv"):
    """A small convolutional network; the cameras are stacked as channels.

    Attributes:
        channels: of the convolutions.
        latent: size of the latent vector.
        hidden: units of the predictor's hidden layers.
        action_scale: divisor of each action component; None for the bounds, which may be far larger than
            typical actions.
    """

    channels: tuple[int, ...] = (24, 48, 96)
    latent: int = 64
    hidden: int = 256
    action_scale: tuple[float, ...] | None = None


class Tokens(Config, frozen=True, kw_only=True, tag="tokens"):
    """A small vision transformer; the cameras are joined side by side.

    Attributes:
        patch: side of a patch, in pixels of the downsampled image.
        dim, heads, mlp_ratio: of both transformers.
        encoder_depth, predictor_depth: number of blocks.
        latent: channels per token after the projection.
    """

    patch: int = 8
    dim: int = 64
    heads: int = 2
    mlp_ratio: float = 4.0
    encoder_depth: int = 3
    predictor_depth: int = 2
    latent: int = 16


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How an AC-JEPA is built and trained.

    Attributes:
        encoder: `{type: conv}` or `{type: tokens}`, with the sizes of encoder and predictor.
        picture: side of a camera image after downsampling, in pixels.
        sigreg: weight of SIGReg at the first iteration and from `SETTLED` on, linear in between; directions
            that collapse early, while the predictor is still inaccurate, do not recover.
        train_encoder: False keeps the encoder's random weights, as a control.
    """

    encoder: Conv | Tokens
    picture: int = 32
    sigreg: tuple[float, float] = (0.1, 0.1)
    train_encoder: bool = True


RECIPES = {
    "small": Recipe(encoder=Conv(), iterations=4000, clip=9, cpu_seconds=600.0),
    "birdseye": Recipe(
        encoder=Conv(channels=(16, 32, 64), latent=128, hidden=384, action_scale=(2.0, 0.02)),
        picture=64,
        iterations=4000,
        clip=9,
        cpu_seconds=1500.0,
        sigreg=(1.0, 0.3),
    ),
    "tokens": Recipe(encoder=Tokens(), iterations=14_000, cpu_seconds=3500.0, sigreg=(0.5, 0.03)),
}


def build(recipe: Recipe, data: DataSpec) -> "AcJepa":
    """The untrained network of `recipe`, for the cameras, states and actions of `data`."""
    return AcJepa(recipe, data)


class AcJepa(TrainableModel):
    """Encoder, predictor and loss; the latent is `z` (D,), or `tokens` (P, D) and `tcp_position` (3,), m."""

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        stacked = isinstance(recipe.encoder, Conv)
        cameras, side = data.camera_count(), recipe.picture
        input_shape = (3 * cameras, side, side) if stacked else (3, side, cameras * side)
        self.observation = ObservationSpec(
            cameras=data.cameras,
            height=data.height,
            width=data.width,
            joined="channels" if stacked else "side_by_side",
            input_shape=input_shape,
            mean=PIXEL_MEAN,
            std=PIXEL_STD,
            state=() if stacked else (data.quantity(POSITION),),
        )
        self.pictures = ImagePreprocessor(self.observation)
        self.sigreg = SigReg()
        self.sigreg_weights = recipe.sigreg
        self.encoder: ConvEncoder | TokenEncoder
        self.predictor: VectorPredictor | TokenPredictor
        if isinstance(recipe.encoder, Conv):
            self.about = f"Action-conditioned JEPA: {_describe(cameras)} to one vector, MLP predictor."
            self.encoder = ConvEncoder(recipe.encoder, input_shape)
            self.predictor = VectorPredictor(recipe.encoder, data)
        else:
            self.about = "Action-conditioned JEPA: patch tokens with 3-D RoPE, frame-causal predictor."
            self.encoder = TokenEncoder(recipe.encoder, input_shape)
            self.predictor = TokenPredictor(recipe.encoder, self.encoder.grid, data, recipe.clip)
        self.latents = self.encoder.latents
        self.encoder.requires_grad_(recipe.train_encoder)

    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        latent: dict[str, Tensor] = self.encoder(self.pictures(images), state)
        return latent

    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        now = {name: array.unsqueeze(1) for name, array in latent.items()}  # (N, T=1, ...)
        after = self.predictor(now, action.unsqueeze(1))
        return {name: array.squeeze(1) for name, array in after.items()}

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        action = batch["action"][:, :-1]
        clips, frames = batch["state"].shape[:2]
        flat = self.encode(batch["images"].flatten(0, 1), batch["state"].flatten(0, 1))
        latent = {name: array.reshape(clips, frames, *array.shape[1:]) for name, array in flat.items()}
        future = {name: array[:, 1:] for name, array in latent.items()}

        one_step = self.predictor({name: array[:, :-1] for name, array in latent.items()}, action)
        imagined = {name: array[:, 0] for name, array in latent.items()}
        rollout = []
        for t in range(frames - 1):
            imagined = self.step(imagined, action[:, t])
            rollout.append(imagined)
        open_loop = {name: torch.stack([frame[name] for frame in rollout], dim=1) for name in latent}

        terms = {f"one_step.{name}": self._error(name, one_step, future) for name in latent}
        terms |= {f"open_loop.{name}": self._error(name, open_loop, future) for name in latent}
        terms["sigreg"] = self.sigreg(latent[self.encoder.learned].flatten(2), generator)
        errors = torch.stack([term for name, term in terms.items() if name != "sigreg"])
        first, last = self.sigreg_weights
        weight = first + (last - first) * min(1.0, progress / SETTLED)
        return errors.sum() + weight * terms["sigreg"], terms

    def _error(self, name: str, got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error; positions are measured in units of the largest action."""
        difference = got[name] - wanted[name]
        if name == POSITION:
            difference = difference / self.predictor.action_scale
        return difference.square().mean()


def _describe(cameras: int) -> str:
    return {1: "one camera", 2: "two stacked cameras"}.get(cameras, f"{cameras} stacked cameras")


class ConvEncoder(nn.Module):
    """Stride-2 convolutions to one standardised vector."""

    learned = "z"

    def __init__(self, config: Conv, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = input_shape
        layers: list[nn.Module] = []
        for width_out in config.channels:
            layers += [nn.Conv2d(channels, width_out, 3, 2, 1), nn.GroupNorm(4, width_out), nn.SiLU()]
            channels, height, width = width_out, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels * height * width, config.latent)
        )
        self.whiten = BatchWhitening(config.latent)
        self.latents = (LatentSpec(name="z", shape=(config.latent,)),)

    def forward(self, pictures: Tensor, state: Tensor) -> dict[str, Tensor]:
        return {"z": self.whiten(self.layers(pictures))}


class VectorPredictor(nn.Module):
    """An MLP that predicts the change of the latent."""

    action_scale: Tensor

    def __init__(self, config: Conv, data: DataSpec) -> None:
        super().__init__()
        scale = config.action_scale or data.action.high
        if len(scale) != len(data.action.names):
            raise ConfigError(
                f"encoder.action_scale has {len(scale)} values, wanted one per component: "
                f"{', '.join(data.action.names)}"
            )
        self.register_buffer("action_scale", torch.tensor(scale), persistent=False)
        sizes = (config.latent + len(data.action.names), config.hidden, config.hidden)
        layers: list[nn.Module] = []
        for size, size_out in pairwise(sizes):
            layers += [nn.Linear(size, size_out), nn.LayerNorm(size_out), nn.SiLU()]
        self.layers = nn.Sequential(*layers, zeroed(nn.Linear(config.hidden, config.latent)))

    def forward(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        z = latent["z"]
        return {"z": z + self.layers(torch.cat((z, action / self.action_scale), dim=-1))}


class TokenEncoder(nn.Module):
    """A transformer over the patches of one frame; every channel of every token is standardised."""

    learned = "tokens"

    def __init__(self, config: Tokens, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = input_shape
        if height % config.patch or width % config.patch:
            raise ConfigError(
                f"an image of {height}x{width} pixels does not divide into patches of {config.patch}; "
                "change the recipe's picture or encoder.patch"
            )
        self.grid = (height // config.patch, width // config.patch)
        patches = self.grid[0] * self.grid[1]
        sizes = (config.dim, config.heads, config.encoder_depth, config.mlp_ratio)
        self.transformer = ImageTransformer(channels, config.patch, self.grid, *sizes)
        self.proj = nn.Linear(config.dim, config.latent)
        self.whiten = BatchWhitening(patches * config.latent)
        self.latents = (
            LatentSpec(name="tokens", shape=(patches, config.latent)),
            LatentSpec(name=POSITION, shape=(3,), unit="m"),
        )

    def forward(self, pictures: Tensor, state: Tensor) -> dict[str, Tensor]:
        tokens = self.proj(self.transformer(pictures))  # (B, P, D)
        return {"tokens": self.whiten(tokens.flatten(1)).unflatten(1, tokens.shape[1:]), POSITION: state}


class TokenPredictor(nn.Module):
    """A frame-causal transformer over [action, state, P patches] per frame; predicts tokens and position."""

    action_scale: Tensor
    position_mean: Tensor
    position_std: Tensor

    def __init__(self, config: Tokens, grid: tuple[int, int], data: DataSpec, frames: int) -> None:
        super().__init__()
        size = data.quantity(POSITION).size
        if size != len(data.action.names):
            raise ConfigError(
                f"{POSITION} has {size} components, the action {len(data.action.names)}: the token predictor "
                "needs actions that are displacements of it; train the recipe `small` on this data"
            )
        mean, std = data.statistics(POSITION)
        self.register_buffer("action_scale", torch.tensor(data.action.high), persistent=False)
        self.register_buffer("position_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("position_std", torch.tensor(std), persistent=False)
        sizes = (config.dim, config.heads, config.predictor_depth, config.mlp_ratio)
        self.embed = nn.Linear(config.latent, config.dim)
        self.action_encoder = nn.Linear(size, config.dim)
        self.state_encoder = nn.Linear(size, config.dim)
        self.transformer = FrameCausalTransformer(frames, 2, grid, *sizes)
        self.proj = zeroed(nn.Linear(config.dim, config.latent))
        self.state_proj = zeroed(nn.Linear(config.dim, size))

    def forward(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """The latents after frames (B, T, ...) and `action` (B, T, A); frame t attends to frames up to t."""
        tokens, position = latent["tokens"], latent[POSITION]
        conditions = (
            self.action_encoder(action / self.action_scale),
            self.state_encoder((position - self.position_mean) / self.position_std),
        )
        x = self.transformer(torch.stack(conditions, dim=2), self.embed(tokens))  # (B, T, 2 + P, dim)
        blocked = self.state_proj(x[:, :, 1]) * self.action_scale
        return {"tokens": tokens + self.proj(x[:, :, 2:]), POSITION: position + action + blocked}


def zeroed(layer: nn.Linear) -> nn.Linear:
    """`layer` with zero parameters, so that its residual connection starts as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
