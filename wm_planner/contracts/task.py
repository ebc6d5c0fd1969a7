"""The task of an episode: where the robot starts and what it must achieve."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """A configuration of the robot and its scene, at rest.

    Attributes:
        tcp: position of the tool point, (3,) in m; None for a robot without one.
        joints: joint name to its generalised positions, in MuJoCo's order: for a free joint x, y, z in m and
            a unit quaternion, real part first. Joints that are not named keep the position of the MJCF.
    """

    tcp: NDArray[np.float64] | None = None
    joints: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Task(NamedTuple):
    """Bring the scene's point to a position.

    Attributes:
        start: configuration at the start of the episode.
        goal: configuration shown in the goal image.
        position: where the scene's point must be, (3,) in m.
    """

    start: Placement
    goal: Placement
    position: NDArray[np.float64]
