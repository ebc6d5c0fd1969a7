"""The same task with a wall across the table: start and goal lie low on either side of it.

Moving straight towards the goal ends at the wall; the hand must first go away from the goal, upwards.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.manipulation.reach import Reach

WALL_TOP = 0.20  # m, as in the MJCF
CLEARANCE = 0.06  # m, half the hand's thickness, half the wall's, and 2 cm of air
LOW_TOP = 0.14  # m, highest start and goal
NEAR, FAR = 0.10, 0.24  # m from the wall's middle plane, of starts and goals


class ReachOverWall(Reach):
    """Starts and goals on opposite sides, both well below the top of the wall."""

    def ends(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        side = rng.choice((-1.0, 1.0))
        (x_low, _, z_low), (x_high, _, _) = self.low, self.high
        ends = rng.uniform((x_low, NEAR, z_low), (x_high, FAR, LOW_TOP), size=(2, 3))
        ends[:, 1] *= (side, -side)
        return ends[0], ends[1]

    def free(self, position: NDArray[np.float64]) -> bool:
        return bool(abs(position[1]) > CLEARANCE or position[2] > WALL_TOP + 0.02)


SCENE = ReachOverWall(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.38, -0.28, 0.08),
    high=(0.66, 0.28, 0.40),
)
