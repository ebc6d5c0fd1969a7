"""A Panda arm pushes a block over the table to a goal with its closed hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.task import Placement, Task
from wm_planner.manipulation.arm_scene import ArmScene, lying

HALF = 0.045  # m, half the block, as in the MJCF
CLEAR = 0.09  # m, between the middles of block and hand at the start
ASIDE = 0.30  # m above the table, where the hand is in the picture of the goal


@dataclass(frozen=True)
class Push(ArmScene):
    """Blocks and goals lie in the box `block_low` to `block_high` (x, y in m), the hand starts beside.

    Attributes:
        nearest, farthest: from block to goal at the start, m.
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
        above = np.array([goal[0], goal[1], ASIDE])
        return Task(self._beside(block, rng), Placement(above, {"block": lying(goal)}), goal)

    def explore(self, rng: np.random.Generator) -> Placement:
        return self._beside(self._block(rng), rng)

    def _block(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.array([*rng.uniform(self.block_low, self.block_high), HALF])

    def _beside(self, block: NDArray[np.float64], rng: np.random.Generator) -> Placement:
        """The hand somewhere that is not over the block."""
        tcp = self.position(rng)
        while np.abs(tcp - block)[:2].max() < CLEAR:
            tcp = self.position(rng)
        return Placement(tcp, {"block": lying(block)})


SCENE = Push(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.38, -0.26, 0.06),
    high=(0.66, 0.26, 0.20),
)
