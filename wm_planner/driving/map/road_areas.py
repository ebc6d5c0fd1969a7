"""Drivable areas and lane areas of roads, built once per road because their grids take 0.1 s or more."""

from collections.abc import Callable
from functools import wraps
from weakref import WeakKeyDictionary

from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.scenarios.road import Road


def _once_per_road(build: Callable[[Road], DrivableArea]) -> Callable[[Road], DrivableArea]:
    areas: WeakKeyDictionary[Road, DrivableArea] = WeakKeyDictionary()

    @wraps(build)
    def cached(road: Road) -> DrivableArea:
        if road not in areas:
            areas[road] = build(road)
        return areas[road]

    return cached


@_once_per_road
def drivable_area(road: Road) -> DrivableArea:
    """The area of `Road.drivable`."""
    return DrivableArea(road.drivable)


@_once_per_road
def lane_area(road: Road) -> DrivableArea:
    """The area of all lanes, including sidewalks and crosswalks; the road must have a lane."""
    return DrivableArea([lane.polygon for lane in road.lanes.values()])
