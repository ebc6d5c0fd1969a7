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
NO_AGENTS = np.empty((0, 5))


def at(x, y=0.0, yaw=0.0):
    return np.array([x, y, yaw, *CAR[3:]])


def renderer(lines=(), **config):
    return BirdsEyeRenderer(
        BirdsEyeRenderer.Config(**{"size_px": 64, "line_m": 2.0, **config}), [AREA], lines
    )


def colour(image, ahead, left, metres_per_px=0.5):
    """The mean of the four pixels around a position in the ego's frame."""
    middle = len(image) // 2
    row, column = middle - round(ahead / metres_per_px), middle - round(left / metres_per_px)
    return tuple(image[row - 1 : row + 1, column - 1 : column + 1].mean(axis=(0, 1)))


@pytest.mark.parametrize("yaw", [0.0, 0.4, np.pi / 2, -2.5])
def test_the_ego_is_at_the_centre_with_its_heading_up(yaw):
    eye = BirdsEyeRenderer(BirdsEyeRenderer.Config(size_px=64, line_m=2.0), [_turned(AREA, yaw)])
    agent = np.array([[*_turned(np.array([10.0, 4.0]), yaw), yaw, 4.0, 2.0]])
    image = eye.draw([0, 0, yaw, 5, 2], agent, route=_turned(np.array([(0, -4), (30, -4)], float), yaw))
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert colour(image, 0, 0) == EGO
    assert colour(image, 10, 4) == AGENT
    assert colour(image, 10, -4) == ROUTE
    assert colour(image, 10, 7) == colour(image, -12, 0) == ROAD
    assert colour(image, 0, 13) == colour(image, 0, -13) == GROUND


def _turned(points, yaw):
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, sin], [-sin, cos]])


def test_the_map_moves_under_the_ego():
    eye = renderer([(np.array([(20, -10), (20, 10)]), CENTRE)])
    assert colour(eye.draw(CAR, NO_AGENTS), 12, 3) == ROAD
    assert colour(eye.draw(at(8), NO_AGENTS), 12, 3) == CENTRE
    assert colour(eye.draw(at(150), NO_AGENTS), 5, 0) == GROUND


def test_motion_by_half_a_pixel_is_visible():
    """Moving a car by a quarter of a metre changes the image."""
    eye = renderer()
    fronts = [eye.draw(CAR, at(10 + dx, 5)[None])[:, 21:23, 0].astype(float) for dx in (0, 0.25, 0.5)]
    rows = [np.average(np.arange(64), weights=front.mean(axis=1) - ROAD[0] + 1e-9) for front in fronts]
    assert rows[0] > rows[1] > rows[2]


def test_lights_and_colours_are_drawn_and_absent_agents_are_not():
    red = (np.array([(8, -3), (8, 3)]), LIGHTS["red"])
    agents = np.array([[10, 5, 0, 4, 2], [np.nan] * 5, [10, -5, 0, 4, 2]])
    image = renderer().draw(CAR, agents, lines=[red], colours=[(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    assert colour(image, 8, 0) == LIGHTS["red"]
    assert colour(image, 10, 5) == (1, 2, 3)
    assert colour(image, 10, -5) == (7, 8, 9)


def test_the_image_centre_may_lie_ahead_of_the_ego():
    image = renderer(ahead_m=10.0).draw(CAR, NO_AGENTS)
    assert colour(image, -10, 0) == EGO


def test_the_same_scene_gives_the_same_image():
    first, second = (renderer().draw(at(3.3, 0.2, 0.1), CAR[None]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_map_with_too_many_pixels_is_refused():
    with pytest.raises(ShapeError, match=r"a map of 80040 x 8040 pixels, wanted 100000000 at most"):
        BirdsEyeRenderer(BirdsEyeRenderer.Config(), [100 * AREA])


def test_a_map_without_areas_is_refused():
    with pytest.raises(ShapeError, match="a map without areas"):
        BirdsEyeRenderer(BirdsEyeRenderer.Config(), [])
