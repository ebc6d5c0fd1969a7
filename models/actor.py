"""A policy trained by the gradient through the imagination of any world model, without a search.

An MLP of (z, z_goal, z_goal - z) acts on its own imagination for some steps; the loss is the cost that
planners minimise, and its gradient passes through the frozen model. What the MLP takes is standardised over
the first batches.

Source: the actor of Dreamer (Hafner et al. 2020, arXiv 1912.01603), without a value function. Differs in that
it acts towards a goal's latent, deterministically, from and to encoded frames of a data set.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise

import torch
from torch import Tensor, nn

from wm_planner.config import Positive
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.training.encoded import GOAL, LATENT
from wm_planner.training.imagination import Imagination
from wm_planner.training.module import TrainablePolicy
from wm_planner.training.recipe import PolicyRecipe

BATCHES = 8  # over which the inputs are standardised


class Recipe(PolicyRecipe, frozen=True, kw_only=True):
    """How the policy is built and trained.

    Attributes:
        hidden: units of its two hidden layers.
    """

    hidden: Positive = 256


RECIPES = {"small": Recipe(iterations=1000, cpu_seconds=300.0, weight_decay=0.0)}


def build(recipe: Recipe, imagination: Imagination) -> "Actor":
    """The untrained policy of `recipe`, for the latents and actions of a world model."""
    return Actor(recipe, imagination)


class Actor(TrainablePolicy):
    """An MLP from the latent, the goal's and their difference to the action."""

    low: Tensor
    high: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe, imagination: Imagination) -> None:
        super().__init__()
        card = imagination.card
        bounds = (*card.action.low, *card.action.high)
        if card.action.choices or not all(map(math.isfinite, bounds)):
            raise ConfigError(
                f"the actor learns continuous, bounded actions, those of {card.name} are "
                f"{card.action.choices or 'unbounded'}{' choices' * bool(card.action.choices)}; plan with a "
                "search instead, or state bounds on the card (action.low, action.high)"
            )
        self.about = "Policy trained by the gradient through imagination."
        self.observation = card.observation
        self._imagination, self._horizon = imagination, recipe.horizon
        self._costs = build_costs(recipe.costs, "recipe: costs")
        imagination.check_costs(self._costs)
        self.goal = any("context:goal_latent" in cost.cost.requires for cost in self._costs)
        kept = [spec for spec in card.latents if spec.role == "candidate"]
        self.names = tuple(spec.name for spec in kept)
        learned = [spec for spec in kept if spec.unit is None]  # a goal image shows no states
        self._goal_names = tuple(spec.name for spec in learned)
        sizes = {spec.name: math.prod(spec.shape) for spec in kept}
        width = sum(sizes.values()) + self.goal * 2 * sum(sizes[name] for name in self._goal_names)
        self.register_buffer("low", torch.tensor(card.action.low))
        self.register_buffer("high", torch.tensor(card.action.high))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        layers: list[nn.Module] = []
        for size, size_out in pairwise((width, recipe.hidden, recipe.hidden)):
            layers += [nn.Linear(size, size_out), nn.LayerNorm(size_out), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(recipe.hidden, len(card.action.names)))

    def act(self, latent: Mapping[str, Tensor], goal: Mapping[str, Tensor] | None) -> Tensor:
        share = torch.sigmoid(2 * self.layers((self._inputs(latent, goal) - self.mean) / self.std))
        return self.low + share * (self.high - self.low)

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        pairs = (_split(batch) for batch in islice(clips, BATCHES))
        seen = torch.cat([self._inputs(latent, goal if self.goal else None) for latent, goal in pairs])
        self.mean.copy_(seen.mean(dim=0))
        self.std.copy_(seen.std(dim=0).clamp(min=1e-3))

    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        latent, goal = _split(batch)
        aim = goal if self.goal else None
        rollout, actions = self._imagination.unroll(
            lambda now: self.act(now, aim), latent, self._horizon, generator
        )
        context = Context(goal_latent=aim, action_scale=(self.high - self.low) / 2)
        terms = {cost.name: cost.cost(rollout, actions, context).mean() for cost in self._costs}
        return sum(cost.weight * terms[cost.name] for cost in self._costs), terms

    def _inputs(self, latent: Mapping[str, Tensor], goal: Mapping[str, Tensor] | None) -> Tensor:
        """What the network takes, (N, width)."""
        rows = [latent[name].flatten(1) for name in self.names]
        for name in self._goal_names if goal is not None else ():
            now, wanted = latent[name].flatten(1), goal[name].flatten(1)
            rows += [wanted.expand_as(now), wanted - now]
        return torch.cat(rows, dim=1)


def _split(batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The starts and the goals of a batch, by the names of their arrays."""
    latent, goal = (
        {name.removeprefix(prefix): array for name, array in batch.items() if name.startswith(prefix)}
        for prefix in (LATENT, GOAL)
    )
    return latent, goal
