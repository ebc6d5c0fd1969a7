"""What is in the workspace of an arm: the domain object that its costs may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wm_planner.contracts.arrays import Array


@dataclass(frozen=True, slots=True)
class Workspace:
    """For `Context.domain`.

    Attributes:
        objects: name to spheres, (M, k + 1) at rest or (H, M, k + 1) with a forecast per step: k coordinates
            of the centre and the radius, in m.
    """

    objects: Mapping[str, Array] = field(default_factory=dict)
