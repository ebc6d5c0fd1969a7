"""How far an expert gets, which progress is measured by: as recorded, or by IDM alone on the road.

It is never the progress of a planner that is compared with others.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.traffic.car_following import IDM, advance

Floats = NDArray[np.float64]

FREE_FLOW_IDM = IDM(speed=15.0, braking=3.0)
"""nuPlan's IDM planner at the speed limit; at 15 m/s where none is known, as PDM-Closed."""


class ExpertProgress(NamedTuple):
    """The progress that is wanted.

    Attributes:
        progress_m: along the route.
        source: "recorded", or "idm" where no drive of the ego was.
    """

    progress_m: float
    source: Literal["recorded", "idm"]


def expert_progress(
    scenario: Scenario, road_context: RoadContext, start: Floats, steps: int
) -> ExpertProgress:
    """What the ego's recorded drive, or else IDM on the empty road at the speed limit, does in T steps.

    Args:
        start: the ego's first state, x, y, yaw, v, (4,).
        steps: T.
    """
    if scenario.ego is not None:
        recorded = scenario.ego.states[0, scenario.ego.valid[0]][:steps]
        return ExpertProgress(float(progress(recorded[None], road_context)[0]), "recorded")
    line = road_context.route.centreline
    begin = s = line.project(start[:2]).s
    speed = np.maximum(start[SPEED], 0.0)
    for _ in range(steps - 1):
        limit = road_context.route.speed_limit(s)
        wanted = np.where(np.isfinite(limit), limit, FREE_FLOW_IDM.speed)
        s, speed = advance(s, speed, FREE_FLOW_IDM.accelerations(speed, np.inf, 0.0, wanted), scenario.dt)
    return ExpertProgress(float(np.minimum(s, line.length) - begin), "idm")


def progress(states: Floats, road_context: RoadContext) -> Floats:
    """Progress of states (N, T, 4 or more) along the route up to the last step on its lanes, (N,), in m."""
    points = states[..., :2]
    on = road_context.on_route(points)
    last = np.where(on.any(axis=1), on.shape[1] - 1 - on[:, ::-1].argmax(axis=1), 0)
    ends = points[np.arange(len(points)), last]
    line = road_context.route.centreline
    return np.asarray(line.project(ends).s - line.project(points[:, 0]).s)
