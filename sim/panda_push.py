"""A Panda arm pushes a block across the table to a goal with its closed hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.task import Placement, Task
from wm_planner.manipulation.simulation.arm_scene import ArmScene, upright

HALF = 0.045  # m, half the edge length of the block, as in the MJCF
CLEARANCE = 0.09  # m, least distance between the centres of block and hand at the start, along x or y
GOAL_HEIGHT = 0.30  # m, of the hand above the table in the goal image


@dataclass(frozen=True)
class Push(ArmScene):
    """The block, the goal and the hand start at random positions, the hand next to the block.

    Attributes:
        block_low, block_high: corners of the area of blocks and goals, x and y in m.
        nearest, farthest: limits of the initial distance between block and goal, in m.
    """

    point: str = "block"
    block_low: tuple[float, float] = (0.44, -0.16)
    block_high: tuple[float, float] = (0.60, 0.16)
    nearest: float = 0.10
    farthest: float = 0.20
    success_radius: float = 0.03

    def sample(self, rng: np.random.Generator) -> Task:
        block, goal = self._block(rng), self._block(rng)
        while not self.nearest <= np.linalg.norm(goal - block) <= self.farthest:
            block, goal = self._block(rng), self._block(rng)
        above = np.array([goal[0], goal[1], GOAL_HEIGHT])
        return Task(self._next_to(block, rng), Placement(above, {"block": upright(goal)}), goal)

    def explore(self, rng: np.random.Generator) -> Placement:
        return self._next_to(self._block(rng), rng)

    def _block(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.array([*rng.uniform(self.block_low, self.block_high), HALF])

    def _next_to(self, block: NDArray[np.float64], rng: np.random.Generator) -> Placement:
        """The hand at a random position that is not above the block."""
        tcp = self.position(rng)
        while np.abs(tcp - block)[:2].max() < CLEARANCE:
            tcp = self.position(rng)
        return Placement(tcp, {"block": upright(block)})


SCENE = Push(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.38, -0.26, 0.06),
    high=(0.66, 0.26, 0.20),
)
