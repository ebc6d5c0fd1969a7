"""The task of panda_reach with a wall across the table; start and goal are low, on opposite sides of it.

Straight motion towards the goal ends at the wall: the hand must first move upwards, away from the goal.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.manipulation.simulation.reach import Reach

WALL_TOP = 0.20  # m, as in the MJCF
CLEARANCE = 0.06  # m: half the thickness of the hand, half that of the wall, and 2 cm
LOW_TOP = 0.14  # m, largest height of start and goal
NEAR, FAR = 0.10, 0.24  # m, limits of the distance of start and goal from the wall's centre plane


class ReachOverWall(Reach):
    """Start and goal are on opposite sides of the wall, both well below its top."""

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
