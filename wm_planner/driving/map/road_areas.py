"""The areas that a road's polygons cover, made once per road: their grids take 0.1 s and more."""

from collections.abc import Callable
from functools import wraps
from weakref import WeakKeyDictionary

from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.scenarios.road import Road


def _once_per_road(make: Callable[[Road], DrivableArea]) -> Callable[[Road], DrivableArea]:
    made: WeakKeyDictionary[Road, DrivableArea] = WeakKeyDictionary()

    @wraps(make)
    def kept(road: Road) -> DrivableArea:
        if road not in made:
            made[road] = make(road)
        return made[road]

    return kept


@_once_per_road
def drivable_area(road: Road) -> DrivableArea:
    """Where one may drive: `Road.drivable`."""
    return DrivableArea(road.drivable)


@_once_per_road
def lane_area(road: Road) -> DrivableArea:
    """All lanes, sidewalks and crosswalks included; the road must have one."""
    return DrivableArea([lane.polygon for lane in road.lanes.values()])
