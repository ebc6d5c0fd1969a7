import numpy as np

from wm_planner.driving.geometry.curvilinear import CurvilinearFrame, smooth_line

STRAIGHT = np.stack([np.arange(0.0, 41.0, 2.0), np.zeros(21)], axis=1)


def test_coordinates_along_a_straight_line():
    frame = CurvilinearFrame(STRAIGHT)
    found = frame.project([[10.0, 1.5], [20.5, -2.0]])
    np.testing.assert_allclose(found.s - 0.03, [10.0, 20.5])  # s = 0 lies three stubs before the line
    np.testing.assert_allclose(found.d, [1.5, -2.0])
    np.testing.assert_allclose(frame.yaw(found.s), 0.0)


def test_points_beyond_the_ends_or_far_from_the_line_have_no_coordinates():
    found = CurvilinearFrame(STRAIGHT).project([[-0.031, 0.0], [40.021, 0.0], [10.0, 20.1], [10.0, 19.9]])
    assert np.isfinite(found.s).tolist() == [False, False, False, True]


def test_coordinates_along_an_arc():
    angles = np.linspace(0.0, 1.5, 31)
    frame = CurvilinearFrame(50.0 * np.stack([np.sin(angles), 1 - np.cos(angles)], axis=1))
    at = np.linspace(0.1, 1.4, 200)
    inside = np.stack([47.0 * np.sin(at), 50 - 47.0 * np.cos(at)], axis=1)
    found = frame.project(inside)
    np.testing.assert_allclose(found.s - 0.03, 50.0 * at, atol=0.02)
    np.testing.assert_allclose(found.d, 3.0, atol=0.02)
    np.testing.assert_allclose(frame.yaw(found.s), at, atol=1e-3)


def test_coordinates_are_continuous_in_bends():
    bend = CurvilinearFrame([[0.0, 0.0], [10.0, 0.0], [20.0, 5.0], [30.0, 5.0]])
    path = np.stack(
        [np.linspace(2.0, 28.0, 2000), np.interp(np.linspace(2, 28, 2000), [2, 28], [2.0, 7.0])], 1
    )
    found = bend.project(path)
    assert np.abs(np.diff(found.s)).max() < 0.05
    assert np.abs(np.diff(bend.yaw(found.s))).max() < 0.01


def test_smoothing_cuts_corners_and_resamples():
    corner = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0]])
    line = smooth_line(corner, 10.0, 2.5)
    np.testing.assert_allclose(line[[0, -1]], [[-10.0, 0.0], [20.0, 30.0]])
    steps = np.hypot(*np.diff(line, axis=0).T)
    assert steps.max() <= 2.5 and np.hypot(*(line - corner[1]).T).min() > 2.0
    longer = smooth_line(corner, 10.0, 2.5, extra_points=3)
    assert len(longer) == len(line) + 6
    np.testing.assert_allclose(longer[0], [-10.0 - 3 * steps[0], 0.0])
