import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry.compiled import is_compiled, numpy_only
from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.road import NON_DRIVABLE_KINDS
from wm_planner.errors import ShapeError

ROAD = np.array([(0, 0), (60, 0), (60, 7), (0, 7)], float)
BRANCH = np.array([(30, 7), (34, 7), (46, 40), (42, 40)], float)
BOTH = shapely.union_all([shapely.Polygon(ROAD), shapely.Polygon(BRANCH)])


@pytest.fixture(scope="module")
def area():
    return DrivableArea([ROAD, BRANCH])


def points(count=50_000):
    return np.random.default_rng(0).uniform([-5, -5], [65, 45], (count, 2))


@pytest.mark.parametrize("cell_m", [0.25, 0.5, 2.0])
@pytest.mark.parametrize("tolerance", [0.0, 0.3, 1.0])
def test_results_are_exact_for_every_cell_size(cell_m, tolerance):
    area, here = DrivableArea([ROAD, BRANCH], cell_m), points()
    distance = shapely.distance(BOTH, shapely.points(here))
    sure = np.abs(distance - tolerance) > 1e-9
    np.testing.assert_array_equal(area.outside(here, tolerance)[sure], (distance > tolerance)[sure])


def test_a_corner_just_beyond_the_tolerance_is_outside(area):
    corners = np.array([(10, -0.299), (10, -0.301), (10, 7.2999), (10, 7.3001)])
    assert area.outside(corners, 0.3).tolist() == [False, True, False, True]


def test_a_wedge_thinner_than_a_cell_belongs_to_the_area():
    wedge = DrivableArea([ROAD, [(20, 7), (20.2, 7), (20.1, 14)]])
    tip = np.array([(20.1, 13.9), (20.1, 14.2), (20.1, 14.4), (19.7, 10), (19.9, 10)])
    assert wedge.outside(tip, 0.3).tolist() == [False, False, True, True, False]


def test_the_grid_approximates_the_signed_distance(area):
    here = points()
    edge = shapely.distance(BOTH.boundary, shapely.points(here))
    signed = np.where(shapely.contains_xy(BOTH, *here.T), -edge, edge)
    off = np.abs(area.signed_distance(here) - signed)
    assert off.max() < area.cell_m
    assert off[(signed > 0) & (signed < 0.5)].max() < area.grid_error_m


def test_numpy_and_numba_agree_bit_for_bit(area):
    here = points()
    distance, outside = area.signed_distance(here), area.outside(here, 0.3)
    assert is_compiled()
    with numpy_only():
        np.testing.assert_array_equal(area.signed_distance(here), distance)
        np.testing.assert_array_equal(area.outside(here, 0.3), outside)


def test_a_box_is_outside_as_soon_as_one_corner_is(area):
    poses = np.array(
        [[(10, 3.5, 0), (10, 1.1, 0), (10, 0.5, 0)], [(10, 3.5, np.pi / 2), (0, 3.5, 0), (33, 9, 1.2)]]
    )
    outside = area.box_outside(poses, (5.0, 2.0))
    assert outside.tolist() == [[False, False, True], [False, True, False]]


def test_points_far_away_are_outside(area):
    assert area.outside([1e6, -1e6])
    assert area.signed_distance([1e6, -1e6]) > 5


def test_a_large_area_has_larger_cells():
    large = DrivableArea([100 * ROAD])
    assert large.cell_m == 2.0
    assert large.outside([[3000, -0.29], [3000, -0.31]], 0.3).tolist() == [False, True]


def test_absent_points_are_refused(area):
    with pytest.raises(ShapeError, match="points hold 1 values that are not finite: leave out absent agents"):
        area.outside([[0.0, np.nan]])


def test_a_tolerance_beyond_the_reach_is_refused(area):
    with pytest.raises(ShapeError, match=r"the tolerance is 2 m, wanted 0 to 1\.0"):
        area.outside([0.0, 0.0], 2)


def test_an_area_without_polygons_is_refused():
    with pytest.raises(ShapeError, match="without polygons, wanted one or more"):
        DrivableArea([])


@pytest.mark.parametrize("name", ["USA_US101-4_1_T-1", "ZAM_Tjunction-1_42_T-1", "FRA_Anglet-1_1_T-1"])
def test_lane_centres_of_real_maps_are_on_the_road(shared_data, name):
    path = next(shared_data("commonroad").rglob(f"{name}.xml"))
    road = read_scenario(path).road
    area = DrivableArea(road.drivable)
    centres = np.concatenate(
        [lane.centre for lane in road.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS]
    )
    assert not area.outside(centres, 1e-9).any()  # by rounding, a point between two lanes may lie in neither
    assert area.outside(centres + 1000, 0.3).all()
