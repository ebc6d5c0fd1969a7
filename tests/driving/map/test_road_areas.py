import gc
import weakref

import numpy as np
from small_roads import road

from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.map.road_areas import drivable_area, lane_area


def test_an_area_is_made_once_per_road(monkeypatch):
    ours, other = road(), road()
    area = drivable_area(ours)
    monkeypatch.setattr(DrivableArea, "__init__", lambda area, polygons: None)
    assert drivable_area(ours) is area
    assert drivable_area(other) is not area
    assert lane_area(ours) is not area


def test_an_area_goes_with_its_road():
    ours = road()
    area = weakref.ref(lane_area(ours))
    assert not area().outside(np.array([[10.0, 0.0]])).any()
    del ours
    gc.collect()
    assert area() is None
