"""How far an expert gets, which progress is measured by: as recorded, or by IDM alone on the road.

It is never the progress of a planner that is compared with others.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.metrics.situation import Situation
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.traffic.car_following import IDM, advanced

Floats = NDArray[np.float64]

ALONE = IDM(speed=15.0, braking=3.0)
"""nuPlan's IDM planner at the speed limit; at 15 m/s where none is known, as PDM-Closed."""


class Expert(NamedTuple):
    """The progress that is wanted.

    Attributes:
        progress_m: along the route.
        source: "recorded", or "idm" where no drive of the ego was.
    """

    progress_m: float
    source: Literal["recorded", "idm"]


def expert(scenario: Scenario, situation: Situation, start: Floats, steps: int) -> Expert:
    """What the ego's recorded drive, or else IDM on the empty road at the speed limit, does in T steps.

    Args:
        start: the ego's first state, x, y, yaw, v, (4,).
        steps: T.
    """
    if scenario.ego is not None:
        recorded = scenario.ego.states[0, scenario.ego.valid[0]][:steps]
        return Expert(float(progress(recorded[None], situation)[0]), "recorded")
    line = situation.route.centreline
    begin = s = line.project(start[:2]).s
    speed = np.maximum(start[SPEED], 0.0)
    for _ in range(steps - 1):
        limit = situation.route.speed_limit(s)
        wanted = np.where(np.isfinite(limit), limit, ALONE.speed)
        s, speed = advanced(s, speed, ALONE.accelerations(speed, np.inf, 0.0, wanted), scenario.dt)
    return Expert(float(np.minimum(s, line.length) - begin), "idm")


def progress(states: Floats, situation: Situation) -> Floats:
    """What drives (N, T, 4 or more) gain along the route, (N,), in m: until they were last on its lanes."""
    points = states[..., :2]
    on = situation.on_route(points)
    last = np.where(on.any(axis=1), on.shape[1] - 1 - on[:, ::-1].argmax(axis=1), 0)
    ends = points[np.arange(len(points)), last]
    line = situation.route.centreline
    return np.asarray(line.project(ends).s - line.project(points[:, 0]).s)
