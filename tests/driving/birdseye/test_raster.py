import numpy as np
import pytest

from wm_planner.driving.birdseye.raster import (
    AGENT,
    CENTRE,
    EGO,
    GROUND,
    LIGHTS,
    ROAD,
    ROUTE,
    BirdsEyeRenderer,
)
from wm_planner.errors import ShapeError

AREA = np.array([(-50, -10), (150, -10), (150, 10), (-50, 10)], float)
CAR = np.array([0, 0, 0, 5.0, 2.0])
NOBODY = np.empty((0, 5))


def at(x, y=0.0, yaw=0.0):
    return np.array([x, y, yaw, *CAR[3:]])


def birds_eye(lines=(), **config):
    return BirdsEyeRenderer(
        BirdsEyeRenderer.Config(**{"size_px": 64, "line_m": 2.0, **config}), [AREA], lines
    )


def colour(picture, ahead, left, metres_per_px=0.5):
    """At a place as seen from the ego: the mean of the four pixels around it."""
    middle = len(picture) // 2
    row, column = middle - round(ahead / metres_per_px), middle - round(left / metres_per_px)
    return tuple(picture[row - 1 : row + 1, column - 1 : column + 1].mean(axis=(0, 1)))


@pytest.mark.parametrize("yaw", [0.0, 0.4, np.pi / 2, -2.5])
def test_the_ego_is_in_the_middle_and_its_heading_up(yaw):
    eye = BirdsEyeRenderer(BirdsEyeRenderer.Config(size_px=64, line_m=2.0), [_turned(AREA, yaw)])
    agent = np.array([[*_turned(np.array([10.0, 4.0]), yaw), yaw, 4.0, 2.0]])
    picture = eye.draw([0, 0, yaw, 5, 2], agent, route=_turned(np.array([(0, -4), (30, -4)], float), yaw))
    assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    assert colour(picture, 0, 0) == EGO
    assert colour(picture, 10, 4) == AGENT
    assert colour(picture, 10, -4) == ROUTE
    assert colour(picture, 10, 7) == colour(picture, -12, 0) == ROAD
    assert colour(picture, 0, 13) == colour(picture, 0, -13) == GROUND


def _turned(points, yaw):
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, sin], [-sin, cos]])


def test_the_map_moves_under_the_ego():
    eye = birds_eye([(np.array([(20, -10), (20, 10)]), CENTRE)])
    assert colour(eye.draw(CAR, NOBODY), 12, 3) == ROAD
    assert colour(eye.draw(at(8), NOBODY), 12, 3) == CENTRE
    assert colour(eye.draw(at(150), NOBODY), 5, 0) == GROUND


def test_half_a_pixel_is_seen():
    """A car that is moved by a quarter of a metre changes the picture by as much."""
    eye = birds_eye()
    fronts = [eye.draw(CAR, at(10 + dx, 5)[None])[:, 21:23, 0].astype(float) for dx in (0, 0.25, 0.5)]
    rows = [np.average(np.arange(64), weights=front.mean(axis=1) - ROAD[0] + 1e-9) for front in fronts]
    assert rows[0] > rows[1] > rows[2]


def test_lights_and_colours_are_shown_and_the_absent_are_not():
    red = (np.array([(8, -3), (8, 3)]), LIGHTS["red"])
    agents = np.array([[10, 5, 0, 4, 2], [np.nan] * 5, [10, -5, 0, 4, 2]])
    picture = birds_eye().draw(CAR, agents, lines=[red], colours=[(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    assert colour(picture, 8, 0) == LIGHTS["red"]
    assert colour(picture, 10, 5) == (1, 2, 3)
    assert colour(picture, 10, -5) == (7, 8, 9)


def test_the_picture_may_look_ahead():
    picture = birds_eye(ahead_m=10.0).draw(CAR, NOBODY)
    assert colour(picture, -10, 0) == EGO


def test_the_same_scene_gives_the_same_bytes():
    first, second = (birds_eye().draw(at(3.3, 0.2, 0.1), CAR[None]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_map_too_large_for_its_pixels_is_refused():
    with pytest.raises(ShapeError, match=r"a map of 80040 x 8040 pixels, wanted 100000000 at most"):
        BirdsEyeRenderer(BirdsEyeRenderer.Config(), [100 * AREA])


def test_a_map_of_nothing_is_refused():
    with pytest.raises(ShapeError, match="a map of no areas"):
        BirdsEyeRenderer(BirdsEyeRenderer.Config(), [])
