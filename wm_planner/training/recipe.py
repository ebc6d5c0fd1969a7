"""How long, how fast and from which seed a model is trained; each family adds its own fields."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from wm_planner.config import Config, Count, Positive, Seed, convert, to_builtins

PositiveReal = Annotated[float, msgspec.Meta(gt=0)]


class TrainingRecipe(Config, frozen=True, kw_only=True):
    """What the training loop itself needs; AdamW with a warm-up and a cosine to zero.

    Attributes:
        iterations: length of the schedule; the same recipe and data give the same weights.
        cpu_seconds: training stops, resumable, when the process has used this much.
        batch: clips an iteration.
        clip: frames a clip.
        learning_rate: after `warmup` iterations.
        max_gradient_norm: longer gradients are scaled down to it.
    """

    iterations: Positive
    cpu_seconds: PositiveReal
    batch: Positive = 16
    clip: Annotated[int, msgspec.Meta(ge=2)] = 6
    learning_rate: PositiveReal = 1e-3
    weight_decay: float = 1e-4
    warmup: Count = 100
    max_gradient_norm: PositiveReal = 1.0
    seed: Seed = 0

    def learning_rate_at(self, iteration: int) -> float:
        """The learning rate of `iteration`, counted from 0."""
        warm = min(1.0, (iteration + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * iteration / self.iterations))


RecipeT = TypeVar("RecipeT", bound=TrainingRecipe)


def changed(recipe: RecipeT, overrides: Mapping[str, Any], where: str) -> RecipeT:
    """`recipe` with some fields changed, named by dotted paths: `{"encoder.heads": 4}`.

    Raises:
        ConfigError: naming the first path that does not exist or value that does not fit.
    """
    values = to_builtins(recipe)
    for path, value in overrides.items():
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return convert(values, type(recipe), where)
