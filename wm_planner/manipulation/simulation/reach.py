"""Reaching: bring the tool point of an arm to the pose shown in a goal image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.task import Placement, Task
from wm_planner.errors import SimulationError
from wm_planner.manipulation.simulation.arm_scene import TRIES, ArmScene


@dataclass(frozen=True)
class Reach(ArmScene):
    """A scene whose starts and goals are tool positions.

    Attributes:
        min_distance: between start and goal, in m.
    """

    min_distance: float = 0.15

    def sample(self, rng: np.random.Generator) -> Task:
        start, goal = self.ends(rng)
        return Task(Placement(start), Placement(goal), goal)

    def ends(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tool positions of start and goal, (3,) each, at least `min_distance` apart.

        Raises:
            SimulationError: if the box holds no such pair.
        """
        for _ in range(TRIES):
            start, goal = self.position(rng), self.position(rng)
            if np.linalg.norm(goal - start) >= self.min_distance:
                return start, goal
        raise SimulationError(
            f"{self.name}: no start and goal in the box from {self.low} to {self.high} are "
            f"{self.min_distance} m apart (min_distance, {TRIES} tries): lower it, or make the box larger"
        )
