"""TD-MPC2: a world model without a decoder, learned from rewards by temporal differences.

The latent is a set of simplices. The dynamics are trained to agree with the encoding of the next observation,
the reward and an ensemble of values by two-hot regression; a policy maximises the value. The planner imagines
a few steps, sums their rewards and adds the value of the last latent: costs `reward` and `value`, with the
plan of the policy among its proposals.

Source: TD-MPC2 (Hansen et al. 2024, arXiv 2310.16828). Differs in its size, in reading states only, in an
entropy bonus that is not scaled by the number of action components, and in AdamW instead of two optimisers.
An episode that terminates has no value after its end, as in later versions of the published code.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wm_planner.config import Positive
from wm_planner.contracts.card import LatentSpec, ObservationSpec
from wm_planner.errors import ConfigError
from wm_planner.networks.mlp import Ensemble, SimNorm, normed_mlp
from wm_planner.networks.two_hot import TwoHot
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import ParameterGroup, TrainableModel
from wm_planner.training.recipe import TrainingRecipe

LOG_STD = (-10.0, 2.0)
"""Smallest and largest logarithm of the policy's standard deviation, before the squashing by tanh."""


class Recipe(TrainingRecipe, frozen=True, kw_only=True):
    """How TD-MPC2 is built and trained.

    Attributes:
        latent: size of the latent.
        simplex: components per simplex of the latent.
        hidden: units of the hidden layers.
        members: of the ensemble of values.
        discount: of rewards, per step.
        decay: of the loss, per step of the clip.
        consistency, reward_weight, value_weight: of the terms of the loss.
        entropy: weight of the policy's entropy.
        target_rate: of the moving average of the target values, per iteration.
        encoder_rate: learning rate of the encoder, as a fraction of the others'.
    """

    latent: Positive = 64
    simplex: Positive = 8
    hidden: Positive = 96
    members: Positive = 3
    discount: float = 0.98
    decay: float = 0.5
    consistency: float = 20.0
    reward_weight: float = 0.1
    value_weight: float = 0.1
    entropy: float = 1e-3
    target_rate: float = 0.01
    encoder_rate: float = 0.3


RECIPES = {
    "small": Recipe(
        iterations=9000,
        cpu_seconds=600.0,
        batch=64,
        clip=4,
        learning_rate=1e-3,
        weight_decay=0.0,
        max_gradient_norm=20.0,
        anneal=2000,
        warmup=0,
    )
}


def build(recipe: Recipe, data: DataSpec) -> "TDMPC2":
    """The untrained network of `recipe`, for the states and actions of `data`."""
    return TDMPC2(recipe, data)


class TDMPC2(TrainableModel):
    """Encoder, dynamics, reward, values and policy; the latent is `z` (D,)."""

    about = "TD-MPC2: latent dynamics, rewards, values and a policy, learned from states and rewards."
    reads = ("reward", "terminated")
    capabilities = ("reward", "value")
    has_policy = True

    state_mean: Tensor
    state_std: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor

    def __init__(self, recipe: Recipe, data: DataSpec) -> None:
        super().__init__()
        if data.action.choices:
            raise ConfigError("TD-MPC2 plans continuous actions; these data have discrete ones")
        if recipe.latent % recipe.simplex:
            raise ConfigError(f"latent is {recipe.latent}, wanted a multiple of simplex, {recipe.simplex}")
        self.recipe = recipe
        self.observation = ObservationSpec(state=data.state)
        self.latents = (LatentSpec(name="z", shape=(recipe.latent,)),)
        states, actions = len(data.state_mean), len(data.action.names)
        self.register_buffer("state_mean", torch.tensor(data.state_mean), persistent=False)
        self.register_buffer("state_std", torch.tensor(data.state_std), persistent=False)
        self.register_buffer("low", torch.tensor(data.action.low), persistent=False)
        self.register_buffer("high", torch.tensor(data.action.high), persistent=False)
        self.register_buffer("scale", torch.ones(()))  # of the values, for the policy's loss
        z, hidden = recipe.latent, recipe.hidden
        self.two_hot = TwoHot()
        self.encoder = normed_mlp((states, hidden, z), SimNorm(recipe.simplex))
        self.dynamics = normed_mlp((z + actions, hidden, hidden, z), SimNorm(recipe.simplex))
        self.reward = normed_mlp((z + actions, hidden, hidden, self.two_hot.bins))
        self.values = Ensemble(recipe.members, (z + actions, hidden, hidden, self.two_hot.bins))
        self.policy = normed_mlp((z, hidden, hidden, 2 * actions))
        nn.init.zeros_(self.reward[-1].weight)  # type: ignore[arg-type]  # the last layer is linear
        self.target = copy.deepcopy(self.values).requires_grad_(False)

    # What is exported.

    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        return {"z": self.encoder((state - self.state_mean) / self.state_std)}

    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        z, a = latent["z"], self._normalised(action)
        after = self.dynamics(torch.cat((z, a), dim=-1))
        return {
            "z": after,
            "reward": self.two_hot.mean(self.reward(torch.cat((z, a), dim=-1))),
            "value": self._values(self.values, after, self._mean(after)).mean(dim=0),
        }

    def act(self, latent: Mapping[str, Tensor]) -> Tensor:
        """The policy's mean action (N, A), in physical units."""
        return self.low + (self._mean(latent["z"]) + 1) / 2 * (self.high - self.low)

    # What is trained.

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        recipe = self.recipe
        z = self.encode(batch["images"], batch["state"])["z"]  # (B, T, D)
        action = self._normalised(batch["action"][:, :-1])  # (B, T - 1, A)
        reward, ended = batch["reward"][:, :-1], batch["terminated"][:, :-1].to(z.dtype)
        future = z[:, 1:].detach()
        with torch.no_grad():
            target = reward + recipe.discount * (1 - ended) * self._target(future, generator)

        weights = recipe.decay ** torch.arange(action.shape[1], device=z.device)
        now, imagined, terms = z[:, 0], [z[:, 0]], dict[str, Tensor]()
        consistency, rewards, values = [], [], []
        for t in range(action.shape[1]):
            both = torch.cat((now, action[:, t]), dim=-1)
            rewards.append(self.two_hot.loss(self.reward(both), reward[:, t]).mean())
            values.append(self.two_hot.loss(self.values(both), target[:, t]).mean())
            now = self.dynamics(both)
            consistency.append((now - future[:, t]).square().mean())
            imagined.append(now)
        terms["consistency"] = (weights * torch.stack(consistency)).mean()
        terms["reward"] = (weights * torch.stack(rewards)).mean()
        terms["value"] = (weights * torch.stack(values)).mean()
        terms["policy"] = self._policy_loss(torch.stack(imagined, dim=1).detach(), generator)
        total = (
            recipe.consistency * terms["consistency"]
            + recipe.reward_weight * terms["reward"]
            + recipe.value_weight * terms["value"]
            + terms["policy"]
        )
        return total, terms

    def after_step(self) -> None:
        with torch.no_grad():
            for target, value in zip(self.target.parameters(), self.values.parameters(), strict=True):
                target.lerp_(value, self.recipe.target_rate)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The encoder learns more slowly; the policy's gradients are clipped apart from the model's."""
        model = (self.dynamics, self.reward, self.values)
        return [
            ParameterGroup(list(self.encoder.parameters()), learning_rate=self.recipe.encoder_rate),
            ParameterGroup([weight for part in model for weight in part.parameters()]),
            ParameterGroup(list(self.policy.parameters()), max_gradient_norm=self.recipe.max_gradient_norm),
        ]

    def _policy_loss(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Minus the scaled value and entropy of the policy's actions at the latents z (B, T, D)."""
        recipe = self.recipe
        action, log_probability = self._sample(z, generator)
        frozen = {name: weight.detach() for name, weight in self.values.named_parameters()}
        both = torch.cat((z, action), dim=-1).flatten(0, 1)
        logits = torch.func.functional_call(self.values, frozen, (both,))
        value = self.two_hot.mean(logits).mean(dim=0).unflatten(0, z.shape[:2])
        with torch.no_grad():
            low, high = torch.quantile(value[:, 0], torch.tensor([0.05, 0.95]).to(value))
            self.scale.lerp_((high - low).clamp(min=1.0), 0.01)
        weights = recipe.decay ** torch.arange(z.shape[1], device=z.device)
        return (weights * (recipe.entropy * log_probability - value / self.scale).mean(dim=0)).mean()

    def _target(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """The smaller of two random target values of the policy's actions at latents z (B, T, D): (B, T)."""
        action, _ = self._sample(z, generator)
        values = self._values(self.target, z.flatten(0, 1), action.flatten(0, 1))
        chosen = torch.randperm(len(values), generator=generator)[:2]
        return values[chosen].amin(dim=0).unflatten(0, z.shape[:2])

    def _values(self, ensemble: Ensemble, z: Tensor, action: Tensor) -> Tensor:
        """The values (E, N) of latents (N, D) and normalised actions (N, A)."""
        return self.two_hot.mean(ensemble(torch.cat((z, action), dim=-1)))

    def _mean(self, z: Tensor) -> Tensor:
        return torch.tanh(self.policy(z).chunk(2, dim=-1)[0])

    def _sample(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalised actions (..., A) drawn from the policy, and the logarithm of their density (...,)."""
        mean, spread = self.policy(z).chunk(2, dim=-1)
        low, high = LOG_STD
        log_std = low + (high - low) * (torch.tanh(spread) + 1) / 2
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        action = torch.tanh(mean + noise * log_std.exp())
        density = -0.5 * noise.square() - log_std - torch.log(1 - action.square() + 1e-6)
        return action, density.sum(dim=-1)

    def _normalised(self, action: Tensor) -> Tensor:
        """Actions in -1 .. 1."""
        return 2 * (action - self.low) / (self.high - self.low) - 1
