"""How long, how fast and from which seed a model is trained; each family adds its own fields."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from wm_planner.config import Config, Count, Positive, Seed, convert, put, to_builtins

PositiveReal = Annotated[float, msgspec.Meta(gt=0)]


class TrainingRecipe(Config, frozen=True, kw_only=True):
    """What the training loop itself needs; AdamW with a warm-up.

    Attributes:
        iterations: length of the schedule; the same recipe and data give the same weights.
        cpu_seconds: training stops, resumable, when its processes together have used this much.
        pretrained: file of weights, or folder of a run, that the model starts from.
        batch: clips an iteration, of all processes together.
        clip: frames a clip.
        learning_rate: after `warmup` iterations.
        warmup_from: where the warm-up starts, as a share of the learning rate.
        anneal: the rate holds and falls straight to zero in this many last iterations; where None, it falls
            on a cosine from the first iteration.
        weight_decay: at the first iteration.
        weight_decay_end: where a cosine leads it by the last iteration; where None, it stays.
        decayed: `matrices` spares biases and the parameters of norms.
        max_gradient_norm: longer gradients are scaled down to it.
    """

    iterations: Positive
    cpu_seconds: PositiveReal
    pretrained: str | None = None
    batch: Positive = 16
    clip: Annotated[int, msgspec.Meta(ge=2)] = 6
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
        warm = min(1.0, (iteration + 1) / self.warmup) if self.warmup else 1.0
        warm = self.warmup_from + (1.0 - self.warmup_from) * warm
        if self.anneal is None:
            return self.learning_rate * warm * self._cosine(iteration)
        left = self.iterations - iteration
        return self.learning_rate * warm * (left / self.anneal if left < self.anneal else 1.0)

    def weight_decay_at(self, iteration: int) -> float:
        """The weight decay of `iteration`, counted from 0."""
        if self.weight_decay_end is None:
            return self.weight_decay
        gone = 1.0 - self._cosine(iteration)
        return self.weight_decay + gone * (self.weight_decay_end - self.weight_decay)

    def _cosine(self, iteration: int) -> float:
        """From 1 at the first iteration to 0 after the last."""
        return 0.5 * (1.0 + math.cos(math.pi * iteration / self.iterations))


RecipeT = TypeVar("RecipeT", bound=TrainingRecipe)


def changed(recipe: RecipeT, overrides: Mapping[str, Any], where: str) -> RecipeT:
    """`recipe` with some fields changed, named by dotted paths: `{"encoder.heads": 4}`.

    Raises:
        ConfigError: naming the first path that does not exist or value that does not fit.
    """
    values = to_builtins(recipe)
    for path, value in overrides.items():
        put(values, path, value)
    return convert(values, type(recipe), where)
