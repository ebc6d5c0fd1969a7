"""The contract of those who plan a drive: they see one tick, and give poses to follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.paths import Path
from wm_planner.driving.road import TrafficLight
from wm_planner.driving.vehicle import Vehicle
from wm_planner.plugins import Registry

Floats = NDArray[np.float64]

DRIVERS = Registry("driver", {"idm": "wm_planner.driving.planners.idm:IDMPlanner"})


@dataclass(frozen=True, eq=False)
class View:
    """What is known at one tick.

    Attributes:
        vehicle: the ego's.
        ego: its state (6,), at the rear axle.
        boxes: all others that are there, agents and what stands, (M, 5).
        speeds: theirs along yaw, (M,), in m/s.
        path: the way to drive, with wanted speeds and stop lines.
        lights: by id.
        step: of the lights.
        dt: of a step, in s.
    """

    vehicle: Vehicle
    ego: Floats
    boxes: Floats
    speeds: Floats
    path: Path
    lights: Mapping[int, TrafficLight]
    step: int
    dt: float


class Planner(Protocol):
    """Decides where to drive next."""

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, x, y, yaw, (H + 1, 3): now and after each of H steps."""
        ...
