"""What a driver sees of a simulated drive."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.boxes import boxes
from wm_planner.driving.drive import Drive
from wm_planner.driving.lanes import Lanes
from wm_planner.driving.metrics.others import Others
from wm_planner.driving.paths import Path
from wm_planner.driving.planners.base import View
from wm_planner.driving.tracks import SPEED
from wm_planner.simulation.driving import DrivingSimulator


def view_of(simulator: DrivingSimulator) -> View:
    """The view at the simulator's present step, for planners that drive it without nodes."""
    scenario, others = simulator.scenario, simulator.now.others.states
    path, standing = _prepared(simulator.drive)
    there = np.isfinite(others[:, 0])
    moving = boxes(others[there], scenario.tracks.sizes[there])
    return View(
        vehicle=simulator.vehicle,
        ego=simulator.now.ego,
        boxes=np.concatenate([moving, standing]),
        speeds=np.concatenate([others[there, SPEED], np.zeros(len(standing))]),
        path=path,
        lights=scenario.road.lights,
        step=simulator.step_index,
        dt=scenario.dt,
    )


@lru_cache(maxsize=2)
def _prepared(drive: Drive) -> tuple[Path, NDArray[np.float64]]:
    path = Path.along(drive.line.points, Lanes(drive.scenario.road), 10.0)
    standing = Others.recorded(replace(drive.scenario, occupancies=()), -1, 1)
    there = np.isfinite(standing.states[0, :, 0])
    return path, boxes(standing.states[0, there], standing.sizes[there])
