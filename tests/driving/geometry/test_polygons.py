from contextlib import nullcontext

import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry.compiled import is_compiled, numpy_only
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.tiles import (
    MAX_TILES,
    REACH_M,
    TILE_M,
    build_tiles,
)
from wm_planner.errors import ShapeError

SQUARE = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)


def moved(x, y):
    return SQUARE + np.array([x, y])


def lanes(roads=4, seed=0):
    """Pieces of adjacent lanes on winding roads that cross."""
    rng = np.random.default_rng(seed)
    along = np.linspace(-60, 60, 61)
    found = []
    for _ in range(roads):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 6)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.stack([along, 8 * np.sin(along / 20 + phase)], axis=1)
        for lane in range(2):
            left, right = (centre + np.array([0, 3.5 * (lane + side)]) for side in (0, 1))
            for first in range(0, 60, 20):
                piece = slice(first, first + 21)
                found.append(np.concatenate([left[piece], right[piece][::-1]]) @ turn.T)
    return found


POINTS = np.random.default_rng(1).uniform(-70, 70, (20_000, 2))


def test_containment_agrees_with_shapely():
    outlines = lanes()
    containing = Polygons(outlines).containing(POINTS)
    expected = shapely.contains_xy(np.array([shapely.Polygon(o) for o in outlines])[:, None], *POINTS.T)
    found = np.zeros_like(expected)
    point, rank = np.nonzero(containing >= 0)
    found[containing[point, rank], point] = True
    np.testing.assert_array_equal(found, expected)
    assert 3 <= containing.shape[1] <= 6


def test_indices_increase_and_are_padded_with_minus_one():
    polygons = Polygons([SQUARE, moved(20, 0), moved(5, 0)])
    containing = polygons.containing([[7, 5], [2, 5], [100, 0], [12, 5]])
    assert containing.tolist() == [[0, 2], [0, -1], [-1, -1], [2, -1]]


def test_the_distance_to_the_union_agrees_with_shapely():
    outlines = lanes()
    distance = Polygons(outlines).distance(POINTS)
    expected = shapely.distance(
        shapely.union_all([shapely.Polygon(o) for o in outlines]), shapely.points(POINTS)
    )
    near = expected <= REACH_M
    np.testing.assert_allclose(distance[near], expected[near], atol=1e-9)
    assert (distance[~near] > REACH_M).all()


def test_numpy_and_numba_agree_bit_for_bit():
    polygons = Polygons(lanes())
    compiled = polygons.containing(POINTS), polygons.distance(POINTS)
    assert is_compiled()
    with numpy_only():
        np.testing.assert_array_equal(polygons.containing(POINTS), compiled[0])
        np.testing.assert_array_equal(polygons.distance(POINTS), compiled[1])


def test_vertices_and_level_edges_count_once():
    """Rays along +x pass through vertices and along edges here."""
    tooth = Polygons([[(0, 0), (4, 0), (4, 4), (2, 2), (0, 4)]])
    inside = [(1, 1), (3, 2.5), (1, 2), (0.5, 3)]
    outside = [(-1, 0), (-1, 2), (-1, 4), (2, 3), (5, 2), (-1, 3)]
    assert tooth.contains(inside).all()
    assert not tooth.contains(outside).any()


def test_a_large_polygon_contains_points_far_from_its_edges():
    large = Polygons([100 * SQUARE, moved(500, 500)])
    assert large.containing([[505, 505], [300, 700]]).tolist() == [[0, 1], [0, -1]]


def test_absent_points_lie_in_no_polygon():
    for compiled in (True, False):
        with numpy_only() if not compiled else np.errstate():
            assert not Polygons([SQUARE]).contains([np.nan, 5.0])


def test_without_polygons_no_point_is_contained():
    empty = Polygons([])
    assert empty.containing(np.zeros((3, 2))).shape == (3, 0)
    assert np.isinf(empty.distance([0.0, 0.0]))


@pytest.mark.parametrize("outline", [SQUARE[:2], SQUARE[:, :1], np.where(SQUARE == 10, np.nan, SQUARE)])
def test_invalid_outlines_are_refused(outline):
    with pytest.raises(ShapeError, match="polygon 1 has shape"):
        Polygons([SQUARE, outline])


@pytest.mark.parametrize("compiled", [True, False])
def test_a_large_extent_leads_to_larger_tiles_within_the_limit(compiled):
    outlines = [SQUARE, moved(50_000, 80_000), np.array([(0, 0), (90_000, 1e4), (90_000, 9e4)])]
    tiles = build_tiles(outlines)
    assert tiles.side > TILE_M == build_tiles([SQUARE]).side
    assert len(tiles.parts) == tiles.counts.prod() + 1 <= MAX_TILES + 1
    points = np.array([(5, 5), (50_005, 80_005), (80_000, 3e4), (1e3, -1e3), (50_005, 80_011)])
    with nullcontext() if compiled else numpy_only():
        found = Polygons(outlines)
        assert found.contains(points).tolist() == [True, True, True, False, False]
        assert found.distance(points)[-1] == 1.0
