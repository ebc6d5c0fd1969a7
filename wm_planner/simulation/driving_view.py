"""What a driver sees of a simulated drive."""

import numpy as np

from wm_planner.driving.metrics.others import Others
from wm_planner.driving.planners.base import View
from wm_planner.simulation.driving import DrivingSimulator


def view_of(simulator: DrivingSimulator) -> View:
    """The view at the simulator's present step, for planners that drive it without nodes."""
    tracks, now = simulator.scenario.tracks, simulator.now
    ids = np.array(tracks.ids, np.int64)
    agents = Others(now.others.states[None], tracks.sizes, tracks.kinds, ids)
    return View(simulator.drive, now.ego, agents, now.others.step)
