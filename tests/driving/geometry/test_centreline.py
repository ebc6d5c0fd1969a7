import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.compiled import is_compiled, numpy_only
from wm_planner.errors import ShapeError

CORNER = np.array([(0, 0), (10, 0), (10, 10)], float)


def winding(count=200):
    along = np.linspace(0, 120, count)
    return np.stack([along, 12 * np.sin(along / 15)], axis=1)


def spiral():
    """A line that comes close to itself."""
    angle = np.linspace(0, 6 * np.pi, 400)
    return np.stack([(2 + angle) * np.cos(angle), (2 + angle) * np.sin(angle)], axis=1)


def points_near(line, count=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return line[rng.integers(0, len(line), count)] + rng.normal(0, 4, (count, 2))


def test_projection_near_a_corner():
    s, d, yaw = Centreline(CORNER).project([(3, 2), (4, -1), (9, 5), (12, 5), (-3, 4)])
    np.testing.assert_allclose(s, [3, 4, 15, 15, 0])
    np.testing.assert_allclose(d, [2, -1, 1, -2, 5])
    np.testing.assert_allclose(yaw, [0, 0, np.pi / 2, np.pi / 2, 0])


@pytest.mark.parametrize(
    "points", [winding(), spiral(), winding(3)], ids=["winding", "spiral", "two segments"]
)
def test_projection_agrees_with_shapely(points):
    near = points_near(points)
    s, d, _ = Centreline(points).project(near)
    reference = shapely.LineString(points)
    np.testing.assert_allclose(np.abs(d), shapely.distance(reference, shapely.points(near)), atol=1e-9)
    projected = shapely.line_interpolate_point(reference, s)
    np.testing.assert_allclose(shapely.distance(projected, shapely.points(near)), np.abs(d), atol=1e-6)


@pytest.mark.parametrize("points", [winding(), spiral(), CORNER], ids=["winding", "spiral", "corner"])
def test_numpy_and_numba_agree_bit_for_bit(points):
    """Some points are rounded to integers, so that two segments are equally near."""
    line = Centreline(points)
    near = np.concatenate([points_near(points), np.round(points_near(points, 2000))]).reshape(-1, 11, 2)
    compiled = line.project(near)
    assert is_compiled()
    with numpy_only():
        for by_numpy, by_numba in zip(line.project(near), compiled, strict=True):
            np.testing.assert_array_equal(by_numpy, by_numba)


def test_projection_inverts_poses():
    line = Centreline(winding())
    s = np.linspace(1, line.length - 1, 500)
    poses = line.poses(s, 0.0)
    found = line.project(poses[:, :2])
    np.testing.assert_allclose(found.s, s, atol=1e-9)
    np.testing.assert_allclose(found.d, 0, atol=1e-9)


def test_poses_to_the_left_and_beyond_the_ends():
    poses = Centreline(CORNER).poses([2, 15, -5, 99], [1, -1, 0, 0])
    np.testing.assert_allclose(
        poses, [(2, 1, 0), (11, 5, np.pi / 2), (0, 0, 0), (10, 10, np.pi / 2)], atol=1e-12
    )


def test_an_extended_line_continues_straight():
    line = Centreline(CORNER).extended(before_m=5, after_m=7)
    assert line.length == pytest.approx(32)
    np.testing.assert_allclose(line.poses(0.0), [-5, 0, 0])
    np.testing.assert_allclose(line.project([-3.0, 1.0])[:2], [2, 1])
    np.testing.assert_allclose(line.points[-1], [10, 17])
    assert Centreline(CORNER).extended().length == 20


def test_the_curvature_of_a_circle_is_one_over_its_radius():
    angle = np.linspace(0, 2, 80)
    left = Centreline(np.stack([20 * np.cos(angle), 20 * np.sin(angle)], axis=1))
    np.testing.assert_allclose(left.curvature(np.linspace(0, left.length, 33)), 0.05, rtol=1e-3)
    right = Centreline(left.points * (1, -1))
    np.testing.assert_allclose(right.curvature([3.0, 9.0]), -0.05, rtol=1e-3)
    assert Centreline(CORNER[:2]).curvature(5.0) == 0


def test_wrapped_headings_do_not_add_curvature():
    angle = np.linspace(2, 4, 60)
    line = Centreline(np.stack([10 * np.sin(angle), -10 * np.cos(angle)], axis=1))
    assert np.abs(np.diff(line.yaw)).max() > 6
    np.testing.assert_allclose(line.curvature(np.linspace(1, 19, 20)), 0.1, rtol=1e-3)


def test_duplicate_points_are_dropped():
    line = Centreline(np.repeat(CORNER, 3, axis=0))
    np.testing.assert_array_equal(line.points, CORNER)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 2)), "has 1 distinct points, wanted 2 or more"),
        (np.zeros((4, 3)), r"has shape \(4, 3\), wanted \(\.\.\., any, 2\)"),
        (np.array([(0, 0), (np.nan, 1)]), "hold 1 values that are not finite"),
    ],
)
def test_invalid_points_are_refused(points, message):
    with pytest.raises(ShapeError, match=message):
        Centreline(points)
