"""What an episode asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything stands, at rest.

    Attributes:
        tcp: where the robot holds its tool point, (3,) m; None for a robot without one.
        joints: joint name to its positions in MuJoCo's order: a free joint's are x y z in m and a quaternion.
            What is not named stays where the MJCF puts it.
    """

    tcp: NDArray[np.float64] | None = None
    joints: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Task(NamedTuple):
    """What an episode asks for: from `start`, bring the scene's point to `position`, (3,) m, as in `goal`."""

    start: Placement
    goal: Placement
    position: NDArray[np.float64]
