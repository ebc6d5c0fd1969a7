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


def random_boxes(count, seed, spread=6.0):
    rng = np.random.default_rng(seed)
    poses = np.concatenate([rng.uniform(-spread, spread, (count, 2)), rng.uniform(-9, 9, (count, 1))], axis=1)
    return oriented_boxes(poses, rng.uniform([0.5, 0.5], [12, 3], (count, 2)))


def test_corners_start_at_the_front_left_and_go_round_the_rear():
    box = np.array([1.0, 2.0, np.pi / 2, 4.0, 2.0])
    np.testing.assert_allclose(box_corners(box), [[0, 4], [0, 0], [2, 0], [2, 4]], atol=1e-12)


def test_overlap_agrees_with_shapely_on_a_hundred_thousand_pairs():
    """Except for pairs within 1e-6 m of touching."""
    a, b = random_boxes(100_000, 0), random_boxes(100_000, 1)
    expected = shapely.intersects(shapely.polygons(box_corners(a)), shapely.polygons(box_corners(b)))
    is_clear = np.abs(clearance(a, b)) > 1e-6
    np.testing.assert_array_equal(overlap(a, b)[is_clear], expected[is_clear])
    assert is_clear.mean() > 0.999 and 0.1 < expected.mean() < 0.9


def test_clearance_is_the_distance_or_the_negative_penetration_depth():
    a, b = random_boxes(5000, 2), random_boxes(5000, 3)
    expected = shapely.distance(shapely.polygons(box_corners(a)), shapely.polygons(box_corners(b)))
    np.testing.assert_allclose(np.maximum(clearance(a, b), 0), expected, atol=1e-9)
    ego, other = np.array([0, 0, 0, 4.0, 2.0]), np.array([3.5, 0.2, 0, 4.0, 2.0])
    assert clearance(ego, other) == pytest.approx(-0.5)
    assert clearance(ego, other + np.array([0.5, 0, 0, 0, 0])) == pytest.approx(0)


def test_an_absent_box_overlaps_nothing():
    box = np.array([0, 0, 0, 4.0, 2.0])
    assert not overlap(box, np.full(5, np.nan))


@pytest.mark.parametrize(
    ("x", "y", "yaw", "expected"),
    [
        (20, 0, 0, 16.0),  # two half lengths of 2
        (20, 0, np.pi / 2, 17.0),  # crosswise: half the width, 1
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


def test_a_margin_widens_the_path():
    assert gap_ahead(np.array([0, 0, 0, 4, 2.0]), np.array([20, 2.1, 0, 4, 2.0]), margin=0.2) == 16


def test_the_wrong_number_of_columns_is_named():
    with pytest.raises(ShapeError, match=r"boxes has shape \(3,\), wanted \(\.\.\., 5\)"):
        overlap(np.zeros(3), np.zeros(5))
