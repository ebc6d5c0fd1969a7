"""Training recipes: the options of the training loop, which each family extends with its own."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from wm_planner.config import Config, Count, Positive, Seed, convert, put, to_builtins

PositiveReal = Annotated[float, msgspec.Meta(gt=0)]


class TrainingRecipe(Config, frozen=True, kw_only=True):
    """The options of the training loop, which uses AdamW with warm-up.

    Attributes:
        iterations: length of the schedule; the same recipe and data give the same weights.
        cpu_seconds: CPU time of all processes after which training stops; it can be resumed.
        pretrained: weights file, or folder of a run, that the model starts from.
        batch: clips per iteration, of all processes together.
        clip: frames per clip.
        stride: time steps between two frames of a clip; the action between them is the block of all their
            actions.
        learning_rate: after the warm-up.
        warmup_from: initial learning rate, as a fraction of `learning_rate`.
        anneal: number of last iterations in which the learning rate falls linearly to zero, after being
            constant; None for a cosine decay from the first iteration.
        weight_decay: at the first iteration.
        weight_decay_end: at the last iteration, reached on a cosine; None for a constant weight decay.
        decayed: weights with weight decay; `matrices` excludes biases and the parameters of norms.
        warmup: number of iterations with a linearly rising learning rate.
        max_gradient_norm: gradients are clipped to this norm.
        seed: of the initial weights, clips and noise.
    """

    iterations: Positive
    cpu_seconds: PositiveReal
    pretrained: str | None = None
    batch: Positive = 16
    clip: Annotated[int, msgspec.Meta(ge=2)] = 6
    stride: Positive = 1
    learning_rate: PositiveReal = 1e-3
    warmup_from: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    anneal: Count | None = None
    weight_decay: float = 1e-4
    weight_decay_end: float | None = None
    decayed: Literal["all", "matrices"] = "all"
    warmup: Count = 100
    max_gradient_norm: PositiveReal = 1.0
    seed: Seed = 0

    def learning_rate_at(self, iteration: int) -> float:
        """The learning rate of `iteration`, counted from 0."""
        warmup = min(1.0, (iteration + 1) / self.warmup) if self.warmup else 1.0
        warmup = self.warmup_from + (1.0 - self.warmup_from) * warmup
        if self.anneal is None:
            return self.learning_rate * warmup * self._cosine(iteration)
        left = self.iterations - iteration
        return self.learning_rate * warmup * (left / self.anneal if left < self.anneal else 1.0)

    def weight_decay_at(self, iteration: int) -> float:
        """The weight decay of `iteration`, counted from 0."""
        if self.weight_decay_end is None:
            return self.weight_decay
        progress = 1.0 - self._cosine(iteration)
        return self.weight_decay + progress * (self.weight_decay_end - self.weight_decay)

    def _cosine(self, iteration: int) -> float:
        """From 1 at the first iteration to 0 after the last."""
        return 0.5 * (1.0 + math.cos(math.pi * iteration / self.iterations))


class PolicyRecipe(TrainingRecipe, frozen=True, kw_only=True):
    """The options of a policy that is trained in the imagination of a frozen world model (`wm train --of`).

    Attributes:
        batch: starts per iteration, each with a goal.
        horizon: imagined steps per start.
        costs: what the policy minimises, as in a launch file: the loss is their weighted sum.
        episodes: number of episodes whose frames are encoded, of all data sets together.
        ahead: range of the number of frames from a start to its goal in the same episode, at most to its end.
        elsewhere: share of goals that are any frame of the data set instead.
    """

    batch: Positive = 256
    horizon: Positive = 8
    costs: list[dict[str, Any]] = msgspec.field(
        default_factory=lambda: [{"type": "latent_goal", "mean_weight": 2.0}]
    )
    episodes: Positive = 300
    ahead: tuple[Positive, Positive] = (20, 40)
    elsewhere: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5

    def __post_init__(self) -> None:
        if self.ahead[0] > self.ahead[1]:
            raise ValueError(f"ahead is {list(self.ahead)}, wanted the smaller number of frames first")


RecipeT = TypeVar("RecipeT", bound=TrainingRecipe)


def changed(recipe: RecipeT, overrides: Mapping[str, Any], where: str) -> RecipeT:
    """`recipe` with overrides by dotted path, e.g. `{"encoder.heads": 4}`.

    Raises:
        ConfigError: naming the first unknown path or invalid value.
    """
    values = to_builtins(recipe)
    for path, value in overrides.items():
        put(values, path, value)
    return convert(values, type(recipe), where)
