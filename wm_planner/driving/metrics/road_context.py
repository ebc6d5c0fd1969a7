"""Map data that trajectories are scored against: road, route and red lights, prepared once per scenario."""

from collections.abc import Iterable
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.road_areas import drivable_area
from wm_planner.driving.map.route import Route, driven_route, route_to_goal
from wm_planner.driving.metrics.red_lights import RedLights
from wm_planner.driving.scenarios.road import Incoming, Road
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario
from wm_planner.driving.vehicle.vehicle import Vehicle
from wm_planner.errors import ScenarioError

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


class RoadContext:
    """A road, and a route through it, with the lookups that metrics need.

    Attributes:
        road: the road itself.
        lanes: its lanes with spatial lookup.
        route: the route that progress is measured along.
        area: the drivable area.
        red_lights: the lanes that traffic lights close.
    """

    def __init__(self, road: Road, lanes: Lanes, route: Route) -> None:
        self.road = road
        self.lanes = lanes
        self.route = route
        self.area = drivable_area(road)
        self.red_lights = RedLights(road, lanes)

    @classmethod
    def from_scenario(cls, scenario: Scenario, problem: PlanningProblem | None = None) -> Self:
        """The road with the route of a planning problem, by default that of the ego's recorded drive.

        Raises:
            ScenarioError: if there is neither, or no route.
        """
        lanes = Lanes(scenario.road)
        if problem is not None:
            return cls(scenario.road, lanes, route_to_goal(scenario, problem, lanes))
        if scenario.ego is None:
            raise ScenarioError(
                f"{scenario.id}: there is no route to measure progress along: the ego has no recorded drive; "
                "pass a planning problem"
            )
        return cls(scenario.road, lanes, driven_route(lanes, scenario.ego.states[0, scenario.ego.valid[0]]))

    def in_several_lanes(self, poses: Floats, vehicle: Vehicle) -> Truths:
        """Whether the vehicle's box at poses (..., 3 or more) leaves its lane and the successors of that."""
        return ~self.lanes.in_one_lane(box_corners(oriented_boxes(poses, vehicle.size)))

    def in_intersection(self, points: Floats) -> Truths:
        """Whether points (..., 2) lie in an intersection."""
        return _inside(self._intersections, points)

    def on_route(self, points: Floats) -> Truths:
        """Whether points (..., 2) lie in the route's corridor; always true if the route has no lanes."""
        if not self.route.corridor:
            return np.ones(points.shape[:-1], np.bool_)
        return _inside(self._corridor, points)

    @cached_property
    def _corridor(self) -> DrivableArea | None:
        return self._area(self.route.corridor)

    @cached_property
    def _intersections(self) -> DrivableArea | None:
        inner = {
            lane
            for intersection in self.road.intersections
            for incoming in intersection.incomings
            for lane in _turns(incoming)
        }
        marked = {index for index in range(len(self.lanes)) if self.lanes[index].is_intersection}
        return self._area(marked.union(self.lanes.indices(inner)))

    def _area(self, indices: Iterable[int]) -> DrivableArea | None:
        outlines = [self.lanes[index].polygon for index in sorted(indices)]
        return DrivableArea(outlines) if outlines else None


def _turns(incoming: Incoming) -> tuple[int, ...]:
    return (*incoming.left, *incoming.straight, *incoming.right)


def _inside(area: DrivableArea | None, points: Floats) -> Truths:
    return ~area.outside(points) if area else np.zeros(points.shape[:-1], np.bool_)
