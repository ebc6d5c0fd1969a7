"""Map data that trajectories are scored against: road, route and red lights, prepared once per scenario."""

from collections.abc import Iterable
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.route import Route, driven_route, route_to_goal
from wm_planner.driving.metrics.red_lights import RedLights
from wm_planner.driving.scenarios.road import Incoming, Road
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import ScenarioError

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


class RoadContext:
    """A road and the route through it.

    Attributes:
        road: what it was made of.
        lanes: to be looked up.
        route: what progress is measured along.
        area: where one may drive.
        red_lights: what they close.
    """

    def __init__(self, road: Road, lanes: Lanes, route: Route) -> None:
        self.road = road
        self.lanes = lanes
        self.route = route
        self.area = DrivableArea(road.drivable)
        self.red_lights = RedLights(road, lanes)

    @classmethod
    def of(cls, scenario: Scenario, problem: PlanningProblem | None = None) -> Self:
        """The road_context of a planning problem, or without one that of the recorded drive of the ego.

        Raises:
            ScenarioError: if there is neither, or no route.
        """
        lanes = Lanes(scenario.road)
        if problem is not None:
            return cls(scenario.road, lanes, route_to_goal(scenario, problem, lanes))
        if scenario.ego is None:
            raise ScenarioError(
                f"{scenario.id}: has neither a recorded drive of the ego nor was a planning problem given, "
                "so there is no route to judge trajectories by"
            )
        return cls(scenario.road, lanes, driven_route(lanes, scenario.ego.states[0, scenario.ego.valid[0]]))

    def between_lanes(self, poses: Floats, vehicle: Vehicle) -> Truths:
        """Which of a vehicle's boxes at poses (..., 3 or more) do not lie in one lane and what follows it."""
        return ~self.lanes.in_one_lane(box_corners(oriented_boxes(poses, vehicle.size)))

    def in_intersection(self, points: Floats) -> Truths:
        """Which points (..., 2) lie in an intersection."""
        return _inside(self._intersections, points)

    def on_route(self, points: Floats) -> Truths:
        """Which points (..., 2) lie on the route's lanes or beside them; all, if the route has no lanes."""
        if not self.route.corridor:
            return np.ones(points.shape[:-1], np.bool_)
        return _inside(self._corridor, points)

    @cached_property
    def _corridor(self) -> DrivableArea | None:
        return self._area(self.route.corridor)

    @cached_property
    def _intersections(self) -> DrivableArea | None:
        inner = {i for crossing in self.road.intersections for arm in crossing.incomings for i in _turns(arm)}
        marked = {index for index in range(len(self.lanes)) if self.lanes[index].is_intersection}
        return self._area(marked.union(self.lanes.indices(inner)))

    def _area(self, indices: Iterable[int]) -> DrivableArea | None:
        outlines = [self.lanes[index].polygon for index in sorted(indices)]
        return DrivableArea(outlines) if outlines else None


def _turns(arm: Incoming) -> tuple[int, ...]:
    return (*arm.left, *arm.straight, *arm.right)


def _inside(area: DrivableArea | None, points: Floats) -> Truths:
    return ~area.outside(points) if area else np.zeros(points.shape[:-1], np.bool_)
