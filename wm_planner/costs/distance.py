"""How far imagined trajectories stay from a goal: the arithmetic that the goal costs share."""

from typing import Literal

from wm_planner.config import Config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.errors import ShapeError

Metric = Literal["l1", "l2", "cosine"]


class DistanceConfig(Config, frozen=True, kw_only=True):
    """How a distance at every step becomes one cost.

    The end alone (`mean_weight: 0`) is what V-JEPA 2-AC plans with (Assran et al. 2025, sec. 4.2); the mean
    over the steps beside it asks for an early arrival, and jitters less at the goal.

    Attributes:
        metric: l2 squares the differences, l1 takes their magnitude, cosine is 0 to 2 by the angle between
            the last axes.
        terminal_weight: of the distance at the last step.
        mean_weight: of the mean distance over all steps.
    """

    metric: Metric = "l2"
    terminal_weight: float = 1.0
    mean_weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.terminal_weight, self.mean_weight) < 0 or self.terminal_weight + self.mean_weight == 0:
            raise ValueError(
                f"terminal_weight is {self.terminal_weight} and mean_weight {self.mean_weight}, "
                "wanted two numbers of at least 0, one of them above 0"
            )


def goal_distance(trajectories: Array, goal: Array, config: DistanceConfig) -> Array:
    """The cost of ending, and of being on the way, far from `goal`.

    Args:
        trajectories: shape (N, H, ...).
        goal: shape (1, ...) or (...), of the same trailing axes.
        config: metric and weights.

    Returns:
        Shape (N,), in the unit of the arrays for l1, squared for l2.

    Raises:
        ShapeError: if the trailing axes differ.
    """
    xp = namespace(trajectories)
    shape = tuple(trajectories.shape[2:])
    if tuple(goal.shape) not in {shape, (1, *shape)}:
        raise ShapeError(
            f"the goal has shape {tuple(goal.shape)}, the imagined trajectories {tuple(trajectories.shape)}: "
            f"wanted a goal of shape {shape}; was it encoded by another model?"
        )
    if config.mean_weight == 0:
        trajectories = trajectories[:, -1:, ...]  # the end is all that counts
    each = _difference(trajectories, xp.reshape(match(goal, trajectories), (1, 1, *shape)), config.metric)
    axes = tuple(range(2, len(each.shape)))
    return over_steps(xp.mean(each, axis=axes) if axes else each, config)


def over_steps(distance: Array, config: DistanceConfig) -> Array:
    """The cost (N,) of distances at every step, (N, H)."""
    xp = namespace(distance)
    return config.terminal_weight * distance[:, -1] + config.mean_weight * xp.mean(distance, axis=1)


def _difference(values: Array, goal: Array, metric: Metric) -> Array:
    """How `values` (N, H, ...) differ from `goal` (1, 1, ...), by element, or by vector for cosine."""
    xp = namespace(values)
    if metric == "cosine":
        lengths = xp.sqrt(xp.sum(values * values, axis=-1) * xp.sum(goal * goal, axis=-1))
        least = xp.asarray(1e-12, dtype=lengths.dtype)
        return 1 - xp.sum(values * goal, axis=-1) / xp.maximum(lengths, least)
    difference = values - goal
    return difference * difference if metric == "l2" else xp.abs(difference)
