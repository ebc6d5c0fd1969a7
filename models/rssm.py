"""PlaNet: a recurrent state-space model, which filters pictures into a state and predicts rewards.

The latent is `h`, the memory of a GRU, and `z`, normally distributed. `encode` is the posterior: it carries
the latent of the previous tick on by the action executed since and corrects it by the picture, so that it
knows what no single picture shows, such as speeds. `step` is the prior, which never sees a picture. Planners
maximise the predicted reward; a goal is part of the picture.

Source: Hafner et al. 2019, "Learning Latent Dynamics for Planning from Pixels" (PlaNet). Differs in that
rewards are also learned from imagined states, several calm steps ahead of the last picture, which is where a
planner reads them, in that the divergence trains the prior more than the posterior (DreamerV3, Hafner et al.
2023), and in size: pictures of 16 pixels, 16 components of z.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import torch
from torch import Tensor

from wm_planner.contracts.card import LatentSpec, NoiseSpec, ObservationSpec
from wm_planner.contracts.dataset import REWARD
from wm_planner.errors import ConfigError
from wm_planner.networks.convolutions import ConvDecoder, ConvEncoder, to_pixels
from wm_planner.networks.images import ImagePreprocessor
from wm_planner.networks.recurrent_state import Normal, RecurrentState, two_layers
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import Past, TrainableModel
from wm_planner.training.recipe import TrainingRecipe

PIXEL_MEAN, PIXEL_STD = 0.25, 0.25
STATISTICS_BATCHES = 32
"""Batches of clips from which mean and standard deviation of rewards are computed."""


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How a recurrent state-space model is built and trained.

    Attributes:
        picture: side of a camera image after downsampling, in pixels.
        channels: of the convolutions; each halves the picture.
        memory, latent: sizes of h and z.
        hidden: units of hidden layers, and size of an encoded picture.
        free_nats: divergence of posterior from prior per step that costs nothing.
        posterior_weight: of the divergence in training the posterior, relative to training the prior.
        reward_weight: of squared errors of rewards, in units of their standard deviation, relative to those
            of a whole picture.
        imagined: steps ahead of the last picture for which rewards are learned.
    """

    picture: int = 16
    channels: tuple[int, ...] = (16, 32, 64)
    memory: int = 128
    latent: int = 16
    hidden: int = 128
    free_nats: float = 1.0
    posterior_weight: float = 0.1
    reward_weight: float = 100.0
    imagined: int = 6


RECIPES = {
    "planet": Recipe(iterations=4000, batch=50, clip=12, max_gradient_norm=100.0, cpu_seconds=1500.0),
}


def build(recipe: Recipe, data: DataSpec) -> "Rssm":
    """The untrained network of `recipe`, for the cameras and actions of `data`."""
    return Rssm(recipe, data)


class Rssm(TrainableModel):
    """Filter, prior, reward and decoder; the latent is `h` (M,) and `z` (Z,)."""

    reads = (REWARD.name,)
    remembers = True
    capabilities = ("reward", "surprise", "decode")

    action_center: Tensor
    action_scale: Tensor
    reward_mean: Tensor
    reward_std: Tensor

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        cameras, side = data.camera_count(), recipe.picture
        if data.height != data.width:
            raise ConfigError(f"images are {data.height}x{data.width} pixels, wanted squares")
        if data.action.choices:
            raise ConfigError("the data has discrete actions, wanted continuous ones")
        if recipe.imagined >= recipe.clip:
            raise ConfigError(f"imagined is {recipe.imagined}, wanted less than the {recipe.clip} of clip")
        self.about = "PlaNet: recurrent state-space model of pictures and rewards, with memory."
        self.observation = ObservationSpec(
            cameras=data.cameras,
            height=data.height,
            width=data.width,
            joined="channels",
            input_shape=(3 * cameras, side, side),
            mean=PIXEL_MEAN,
            std=PIXEL_STD,
        )
        self.latents = (
            LatentSpec(name="h", shape=(recipe.memory,)),
            LatentSpec(name="z", shape=(recipe.latent,)),
        )
        self.noise = (NoiseSpec(name="z", shape=(recipe.latent,), kind="normal"),)
        self.recipe = recipe
        self.pictures = ImagePreprocessor(self.observation)
        self.encoder = ConvEncoder(3 * cameras, side, recipe.channels, recipe.hidden)
        self.decoder = ConvDecoder(recipe.memory + recipe.latent, recipe.channels, 3 * cameras, side)
        sizes = (recipe.memory, recipe.latent, len(data.action.names), recipe.hidden, recipe.hidden)
        self.state = RecurrentState(*sizes)
        self.reward = two_layers(recipe.memory + recipe.latent, recipe.hidden, 1)
        low, high = torch.tensor(data.action.low), torch.tensor(data.action.high)
        self.register_buffer("action_center", (low + high) / 2, persistent=False)
        self.register_buffer("action_scale", (high - low) / 2, persistent=False)
        self.register_buffer("reward_mean", torch.zeros(()))
        self.register_buffer("reward_std", torch.ones(()))

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        rewards = torch.cat([batch["reward"][:, :-1] for batch in islice(clips, STATISTICS_BATCHES)])
        self.reward_mean.copy_(rewards.mean())
        self.reward_std.copy_(rewards.std().clamp_min(1e-6))

    def encode(self, images: Tensor, state: Tensor, past: Past) -> dict[str, Tensor]:
        known = 1.0 - past.fresh[:, None]
        action = known * self._scaled(past.last_action)
        h = self.state.advance(known * past.memory["h"], known * past.memory["z"], action)
        posterior = self.state.posterior(h, self.encoder(self.pictures(images)))
        surprise = posterior.divergence(self.state.prior(h))
        return {"h": h, "z": posterior.mean, "surprise": surprise}

    def step(
        self, latent: Mapping[str, Tensor], action: Tensor, noise: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        h = self.state.advance(latent["h"], latent["z"], self._scaled(action))
        z = self.state.prior(h).sample(noise["z"])
        return {"h": h, "z": z, "reward": self._rewards(h, z) * self.reward_std + self.reward_mean}

    def decode(self, latent: Mapping[str, Tensor]) -> Tensor:
        pictures = self.decoder(torch.cat((latent["h"], latent["z"]), dim=-1))
        return to_pixels(pictures, PIXEL_MEAN, PIXEL_STD, self.pictures.shrink)

    def represent(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean of z in the last frame of each clip; the first frame alone leaves h the same for all."""
        clips, frames = batch["images"].shape[:2]
        noise = torch.zeros(clips, frames, self.recipe.latent)
        return self._filter(batch, noise)[1][:, -1]

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        clips, frames = batch["images"].shape[:2]
        noise = torch.randn(clips, frames, self.recipe.latent, generator=generator).to(batch["action"].device)
        wanted = self.pictures(batch["images"].flatten(0, 1))
        h, z, prior, posterior = self._filter(batch, noise)
        rewards = (batch["reward"][:, :-1] - self.reward_mean) / self.reward_std

        got = self.decoder(torch.cat((h, z), dim=-1).flatten(0, 1))
        divergence = posterior.divergence(prior)
        terms = {
            "picture": (got - wanted).square().flatten(1).sum(dim=1).mean(),
            "reward": (self._rewards(h[:, 1:], z[:, 1:]) - rewards).square().mean(),
            "imagined_reward": self._imagined_error(h, z, batch["action"], rewards),
            "divergence": divergence.mean(),
        }
        errors = 0.5 * (terms["reward"] + terms["imagined_reward"])
        penalty = self._penalty(prior, posterior)
        return 0.5 * terms["picture"] + self.recipe.reward_weight * errors + penalty, terms

    def _penalty(self, prior: Normal, posterior: Normal) -> Tensor:
        """The divergence above the free nats, which pulls more at the prior than at the posterior."""
        to_posterior = posterior.detach().divergence(prior).clamp_min(self.recipe.free_nats).mean()
        to_prior = posterior.divergence(prior.detach()).clamp_min(self.recipe.free_nats).mean()
        return to_posterior + self.recipe.posterior_weight * to_prior

    def _filter(self, batch: Mapping[str, Tensor], noise: Tensor) -> tuple[Tensor, Tensor, Normal, Normal]:
        """h and z (B, T, ...) of the frames of clips, with the distributions of z."""
        clips, frames = batch["images"].shape[:2]
        seen = self.encoder(self.pictures(batch["images"].flatten(0, 1))).unflatten(0, (clips, frames))
        actions = self._scaled(batch["action"])
        h, z = seen.new_zeros(clips, self.recipe.memory), torch.zeros_like(noise[:, 0])
        action = torch.zeros_like(actions[:, 0])
        states, samples, posteriors = [], [], []
        for t in range(frames):
            h = self.state.advance(h, z, action)
            posteriors.append(self.state.posterior(h, seen[:, t]))
            z, action = posteriors[-1].sample(noise[:, t]), actions[:, t]
            states.append(h)
            samples.append(z)
        means, stds = zip(*posteriors, strict=True)
        h, posterior = torch.stack(states, dim=1), Normal(torch.stack(means, dim=1), torch.stack(stds, dim=1))
        return h, torch.stack(samples, dim=1), self.state.prior(h), posterior

    def _imagined_error(self, h: Tensor, z: Tensor, action: Tensor, rewards: Tensor) -> Tensor:
        """Mean squared error of rewards in calm rollouts of `imagined` steps, from every frame that has them.

        Args:
            h, z: of the frames, (B, T, ...).
            action: (B, T, A).
            rewards: scaled, (B, T - 1).
        """
        steps = self.recipe.imagined
        starts = h.shape[1] - steps
        h, z = h[:, :starts], z[:, :starts]
        errors = []
        for k in range(steps):
            h = self.state.advance(
                h.flatten(0, 1), z.flatten(0, 1), self._scaled(action[:, k : k + starts]).flatten(0, 1)
            ).unflatten(0, h.shape[:2])
            z = self.state.prior(h).mean
            errors.append((self._rewards(h, z) - rewards[:, k : k + starts]).square().mean())
        return torch.stack(errors).mean()

    def _rewards(self, h: Tensor, z: Tensor) -> Tensor:
        """Scaled rewards (...) of the transitions that led to states h, z (..., M), (..., Z)."""
        return self.reward(torch.cat((h, z), dim=-1)).squeeze(-1)

    def _scaled(self, action: Tensor) -> Tensor:
        return (action - self.action_center) / self.action_scale
