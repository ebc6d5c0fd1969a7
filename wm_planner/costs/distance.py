"""How far imagined trajectories stay from a goal: the arithmetic that the goal costs share."""

from typing import Literal

from array_api_compat import array_namespace

from wm_planner.config import Config
from wm_planner.costs.base import Array, match
from wm_planner.errors import ShapeError

Metric = Literal["l1", "l2"]


class DistanceConfig(Config, frozen=True, kw_only=True):
    """How a distance at every step becomes one cost.

    The end alone (`mean_weight: 0`) is what V-JEPA 2-AC plans with (Assran et al. 2025, sec. 4.2); the mean
    over the steps beside it asks for an early arrival, and jitters less at the goal.

    Attributes:
        metric: l2 squares the differences, l1 takes their magnitude.
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
    xp = array_namespace(trajectories)
    shape = tuple(trajectories.shape[2:])
    if tuple(goal.shape) not in {shape, (1, *shape)}:
        raise ShapeError(
            f"the goal has shape {tuple(goal.shape)}, the imagined trajectories {tuple(trajectories.shape)}: "
            f"wanted a goal of shape {shape}; was it encoded by another model?"
        )
    difference = trajectories - xp.reshape(match(goal, trajectories), (1, 1, *shape))  # (N, H, ...)
    each = difference * difference if config.metric == "l2" else xp.abs(difference)
    distance = xp.mean(each, axis=tuple(range(2, len(each.shape)))) if shape else each  # (N, H)
    return config.terminal_weight * distance[:, -1] + config.mean_weight * xp.mean(distance, axis=1)
