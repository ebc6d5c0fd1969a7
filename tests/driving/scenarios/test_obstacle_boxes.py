import numpy as np
import pytest
from small_roads import DT, obstacles, recorded, scenario, straight

from wm_planner.driving.geometry.shapes import Circle, Polygon, Rectangle
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.tracks import Obstacle, Occupancy, Region
from wm_planner.errors import ShapeError

TRIANGLE = np.array([(0.0, 0.0), (3.0, 0.0), (0.0, 4.0)])


def test_tracks_are_absent_after_their_recording():
    world = scenario(tracks=recorded(straight(x=30.0, steps=20), 7))
    found = ObstacleBoxes.from_scenario(world, 15, 10)
    assert found.object_ids.tolist() == [7] and found.kinds == ("car",)
    np.testing.assert_array_equal(found.states[:5, 0], straight(x=30.0, steps=20)[15:])
    assert np.isnan(found.states[5:]).all()


def test_polygons_are_represented_by_their_edges():
    world = scenario(obstacles=(Obstacle(5, "building", (Polygon(TRIANGLE),)),))
    found = ObstacleBoxes.from_scenario(world, 0, 3)
    assert found.kinds == ("building",) * 3 and found.object_ids.tolist() == [5, 5, 5]
    np.testing.assert_allclose(found.sizes, [[3, 0], [5, 0], [4, 0]])
    np.testing.assert_allclose(found.states[2, :, :2], [[1.5, 0], [1.5, 2], [0, 2]])
    np.testing.assert_allclose(np.tan(found.states[0, 1, 2]), -4 / 3)


def test_circles_are_represented_by_edges_around_them():
    found = ObstacleBoxes.from_scenario(
        scenario(obstacles=(Obstacle(5, "pillar", (Circle(np.ones(2), 2.0),)),)), 0, 1
    )
    distance = np.hypot(*(found.states[0, :, :2] - 1).T)
    np.testing.assert_allclose(distance, 2.0)


def test_regions_are_occupied_at_their_steps_only():
    region = Region(4, 6, (Rectangle(np.ones(2), 4.0, 2.0, 0.2),))
    world = scenario(tracks=recorded(straight(steps=3), 7), occupancies=(Occupancy(7, (region,)),))
    found = ObstacleBoxes.from_scenario(world, 2, 8)
    assert found.kinds == ("car", "car") and found.object_ids.tolist() == [7, 7]
    assert np.flatnonzero(np.isfinite(found.states[:, 1, 0])).tolist() == [2, 3, 4]


def test_the_prediction_keeps_velocities_from_a_step_on():
    turning = straight(steps=10)
    turning[5:, 1] = 99.0
    found = obstacles(turning, np.full((10, 4), np.nan)).at_constant_velocity(2, DT, 6)
    np.testing.assert_allclose(found.states[:, 0, 0], 12 + np.arange(7))
    assert (found.states[:, 0, 1] == 0).all() and np.isnan(found.states[:, 1]).all()


def test_arrays_with_mismatched_shapes_are_named():
    with pytest.raises(ShapeError, match=r"obstacle boxes have states \(3, 1, 4\), sizes \(2, 2\)"):
        ObstacleBoxes(np.zeros((3, 1, 4)), np.ones((2, 2)), ("car",), np.zeros(1, np.int64))
