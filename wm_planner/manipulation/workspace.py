"""The objects in the workspace of an arm, which its costs may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wm_planner.contracts.arrays import Array


@dataclass(frozen=True, slots=True)
class Workspace:
    """The `Context.domain` of manipulation.

    Attributes:
        objects: spheres by name, k centre coordinates and the radius each, in m: (M, k + 1) for static
            objects, (H, M, k + 1) for a forecast per step.
    """

    objects: Mapping[str, Array] = field(default_factory=dict)
