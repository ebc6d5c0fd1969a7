"""Reaching: bring the tool point of an arm to where a goal picture shows it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.world_models.card import ActionSpec

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Reach:
    """A scene whose starts and goals are tool positions drawn from a box; all lengths in m.

    Attributes:
        low, high: corners of the box.
        min_distance: least distance of start and goal.
        success_radius: how near counts as reached.
    """

    model_file: Path
    low: Point
    high: Point
    min_distance: float = 0.15
    success_radius: float = 0.05
    cameras: tuple[str, ...] = ("front", "side")
    image_size: tuple[int, int] = (64, 64)
    control_dt_s: float = 0.2
    max_delta: float = 0.05

    @property
    def name(self) -> str:
        return self.model_file.stem

    @property
    def action(self) -> ActionSpec:
        return ActionSpec(
            names=("dx", "dy", "dz"),
            units=("m", "m", "m"),
            low=(-self.max_delta,) * 3,
            high=(self.max_delta,) * 3,
        )

    def sample(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A start and a goal at least `min_distance` apart."""
        while True:
            start, goal = self.explore(rng), self.explore(rng)
            if np.linalg.norm(goal - start) >= self.min_distance:
                return start, goal

    def explore(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A tool position from the box that is free."""
        while True:
            position = rng.uniform(self.low, self.high)
            if self.free(position):
                return position

    def free(self, position: NDArray[np.float64]) -> bool:
        """Whether the hand can be at `position`; a scene with obstacles says where not."""
        return True

    def success(self, position: NDArray[np.float64], goal: NDArray[np.float64]) -> bool:
        return bool(np.linalg.norm(position - goal) <= self.success_radius)
