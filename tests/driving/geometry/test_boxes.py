import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry.boxes import (
    box_corners,
    clearance,
    gap_ahead,
    oriented_boxes,
    overlap,
)
from wm_planner.errors import ShapeError


def some(count, seed, spread=6.0):
    rng = np.random.default_rng(seed)
    poses = np.concatenate([rng.uniform(-spread, spread, (count, 2)), rng.uniform(-9, 9, (count, 1))], axis=1)
    return oriented_boxes(poses, rng.uniform([0.5, 0.5], [12, 3], (count, 2)))


def test_corners_run_from_front_left_round_the_rear():
    box = np.array([1.0, 2.0, np.pi / 2, 4.0, 2.0])
    np.testing.assert_allclose(box_corners(box), [[0, 4], [0, 0], [2, 0], [2, 4]], atol=1e-12)


def test_a_hundred_thousand_verdicts_are_those_of_shapely():
    """Pairs within 1e-6 m of touching are left out."""
    a, b = some(100_000, 0), some(100_000, 1)
    theirs = shapely.polygons(box_corners(a)), shapely.polygons(box_corners(b))
    expected = shapely.intersects(*theirs)
    clear = np.abs(clearance(a, b)) > 1e-6
    np.testing.assert_array_equal(overlap(a, b)[clear], expected[clear])
    assert clear.mean() > 0.999 and 0.1 < expected.mean() < 0.9


def test_clearance_is_the_distance_of_shapely_and_below_zero_the_way_that_parts_them():
    a, b = some(5000, 2), some(5000, 3)
    distance = shapely.distance(shapely.polygons(box_corners(a)), shapely.polygons(box_corners(b)))
    mine = clearance(a, b)
    np.testing.assert_allclose(np.maximum(mine, 0), distance, atol=1e-9)
    ego, other = np.array([0, 0, 0, 4.0, 2.0]), np.array([3.5, 0.2, 0, 4.0, 2.0])
    assert clearance(ego, other) == pytest.approx(-0.5)
    assert clearance(ego, other + np.array([0.5, 0, 0, 0, 0])) == pytest.approx(0)


def test_who_is_absent_touches_nobody():
    box = np.array([0, 0, 0, 4.0, 2.0])
    assert not overlap(box, np.full(5, np.nan))


@pytest.mark.parametrize(
    ("x", "y", "yaw", "expected"),
    [
        (20, 0, 0, 16.0),  # two half lengths of 2
        (20, 0, np.pi / 2, 17.0),  # crosswise: half a width of 1
        (20, 1.9, 0, 16.0),
        (20, 2.1, 0, np.inf),
        (-20, 0, 0, np.inf),
        (1, 0, 0, 0),
    ],
)
def test_the_gap_ahead_is_bumper_to_bumper(x, y, yaw, expected):
    turn = 0.6
    cos, sin = np.cos(turn), np.sin(turn)
    ego = np.array([5, 5, turn, 4.0, 2.0])
    other = np.array([5 + x * cos - y * sin, 5 + x * sin + y * cos, turn + yaw, 4.0, 2.0])
    assert gap_ahead(ego, other) == pytest.approx(expected)


def test_a_margin_widens_the_way():
    assert gap_ahead(np.array([0, 0, 0, 4, 2.0]), np.array([20, 2.1, 0, 4, 2.0]), margin=0.2) == 16


def test_the_wrong_number_of_columns_is_named():
    with pytest.raises(ShapeError, match=r"boxes has shape \(3,\), wanted \(\.\.\., 5\)"):
        overlap(np.zeros(3), np.zeros(5))
