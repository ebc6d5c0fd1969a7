"""Distances of imagined trajectories from a goal, shared by the goal costs."""

from typing import Literal

from wm_planner.config import Config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.errors import ShapeError

Metric = Literal["l1", "l2", "cosine"]


class DistanceConfig(Config, frozen=True, kw_only=True):
    """How the distances at all steps are combined into one cost.

    V-JEPA 2-AC uses the last step only (`mean_weight: 0`; Assran et al. 2025, sec. 4.2). Adding the mean over
    all steps rewards an early arrival and reduces jitter at the goal.

    Attributes:
        metric: l2 is the squared difference, l1 the absolute difference, cosine is 1 minus the cosine of the
            angle between vectors along the last axis, 0 to 2.
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
                "wanted both at least 0 and one of them above 0"
            )


def goal_distance(trajectories: Array, goal: Array, config: DistanceConfig) -> Array:
    """The weighted distance of trajectories from `goal`, at the last step and on average.

    Args:
        trajectories: shape (N, H, ...).
        goal: shape (1, ...), (...) or (N, ...), one per trajectory, with the same trailing axes.
        config: metric and weights.

    Returns:
        Shape (N,); for l1 in the unit of the arrays, for l2 in its square, for cosine dimensionless.

    Raises:
        ShapeError: if the trailing axes differ.
    """
    xp = namespace(trajectories)
    shape = tuple(trajectories.shape[2:])
    if tuple(goal.shape) not in {shape, (1, *shape), (trajectories.shape[0], *shape)}:
        raise ShapeError(
            f"the goal has shape {tuple(goal.shape)}, the imagined trajectories {tuple(trajectories.shape)}: "
            f"wanted a goal of shape {shape}; was it encoded by another model?"
        )
    goals = goal.shape[0] if len(goal.shape) > len(shape) else 1
    if config.mean_weight == 0:
        trajectories = trajectories[:, -1:, ...]  # only the last step counts
    each = _difference(trajectories, xp.reshape(match(goal, trajectories), (goals, 1, *shape)), config.metric)
    axes = tuple(range(2, len(each.shape)))
    return over_steps(xp.mean(each, axis=axes) if axes else each, config)


def over_steps(distance: Array, config: DistanceConfig) -> Array:
    """The cost (N,) of the distances at all steps, (N, H)."""
    xp = namespace(distance)
    return config.terminal_weight * distance[:, -1] + config.mean_weight * xp.mean(distance, axis=1)


def _difference(values: Array, goal: Array, metric: Metric) -> Array:
    """Distance of `values` (N, H, ...) from `goal` (1 or N, 1, ...), per element; for cosine per vector."""
    xp = namespace(values)
    if metric == "cosine":
        lengths = xp.sqrt(xp.sum(values * values, axis=-1) * xp.sum(goal * goal, axis=-1))
        least = xp.asarray(1e-12, dtype=lengths.dtype)
        return 1 - xp.sum(values * goal, axis=-1) / xp.maximum(lengths, least)
    difference = values - goal
    return difference * difference if metric == "l2" else xp.abs(difference)
