"""A driver's view of a simulated drive."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.simulation.simulator import DrivingSimulator


def view_of(simulator: DrivingSimulator) -> View:
    """The view at the simulator's current step, for drivers that run without nodes.

    Its arrays are read-only views of the simulator's own.
    """
    tracks, now = simulator.scenario.tracks, simulator.now
    ids = np.array(tracks.ids, np.int64)
    agents = ObstacleBoxes(_read_only(now.agents.states[None]), tracks.sizes, tracks.kinds, ids)
    return View(simulator.drive, _read_only(now.ego), agents, now.agents.step)


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """A read-only view of an array."""
    view = array.view()
    view.flags.writeable = False
    return view
