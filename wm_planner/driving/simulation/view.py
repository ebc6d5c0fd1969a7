"""What a driver sees of a simulated drive."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.simulation.simulator import DrivingSimulator


def view_of(simulator: DrivingSimulator) -> View:
    """The view at the simulator's present step, for planners that drive it without nodes.

    Its arrays cannot be written: they are the simulator's own.
    """
    tracks, now = simulator.scenario.tracks, simulator.now
    ids = np.array(tracks.ids, np.int64)
    agents = ObstacleBoxes(_read_only(now.agents.states[None]), tracks.sizes, tracks.kinds, ids)
    return View(simulator.drive, _read_only(now.ego), agents, now.agents.step)


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers in an array that cannot be written."""
    seen = array.view()
    seen.flags.writeable = False
    return seen
