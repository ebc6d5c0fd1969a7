"""Progress of an expert, the reference for progress scores: the recorded ego, or IDM on an empty road.

It never depends on any of the planners that are being compared.
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
"""nuPlan's IDM planner at the speed limit, or at 15 m/s where the limit is unknown, as in PDM-Closed."""


class ExpertProgress(NamedTuple):
    """The expert's progress.

    Attributes:
        progress_m: along the route, in m.
        source: "recorded", or "idm" where the ego has no recorded drive.
    """

    progress_m: float
    source: Literal["recorded", "idm"]


def expert_progress(
    scenario: Scenario, road_context: RoadContext, start: Floats, steps: int
) -> ExpertProgress:
    """Progress of the ego's recorded drive, or else of IDM on the empty road, over a number of steps.

    Args:
        start: the ego's first state, x, y, yaw, v, (4,).
        steps: T, counting the first state.
    """
    if scenario.ego is not None:
        recorded = scenario.ego.states[0, scenario.ego.valid[0]][:steps]
        return ExpertProgress(float(progress(recorded[None], road_context)[0]), "recorded")
    line = road_context.route.centreline
    start_s = s = line.project(start[:2]).s
    speed = np.maximum(start[SPEED], 0.0)
    for _ in range(steps - 1):
        limit = road_context.route.speed_limit(s)
        target = np.where(np.isfinite(limit), limit, FREE_FLOW_IDM.speed)
        s, speed = advance(s, speed, FREE_FLOW_IDM.accelerations(speed, np.inf, 0.0, target), scenario.dt)
    return ExpertProgress(float(np.minimum(s, line.length) - start_s), "idm")


def progress(states: Floats, road_context: RoadContext) -> Floats:
    """Progress of states (N, T, 4 or more) along the route up to the last step on its lanes, (N,), in m."""
    points = states[..., :2]
    on = road_context.on_route(points)
    last = np.where(on.any(axis=1), on.shape[1] - 1 - on[:, ::-1].argmax(axis=1), 0)
    ends = points[np.arange(len(points)), last]
    line = road_context.route.centreline
    return np.asarray(line.project(ends).s - line.project(points[:, 0]).s)
