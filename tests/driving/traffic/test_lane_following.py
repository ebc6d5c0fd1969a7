"""Where agents are expected that go on along their lanes."""

import numpy as np
import pytest
from streets import DT

from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.scenarios.building import Course, Pose, lane
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.traffic.lane_following import LaneFollowingForecaster

RADIUS, SPEED = 20.0, 8.0
STEPS = 20


@pytest.fixture
def bend():
    """30 m along x, then a quarter of a circle to the left."""
    course = Course(Pose(0.0, 0.0, 0.0)).straight(30.0).arc(np.pi / 2, RADIUS)
    return LaneFollowingForecaster(Lanes(Road({1: lane(1, course, 0.0, 3.5)})))


def forecast(keeping, *states, turns=None):
    states = np.array(states, np.float64)
    rates = np.zeros(len(states)) if turns is None else np.array(turns, np.float64)
    return keeping.forecast(np.arange(len(states)), states, rates, DT, STEPS)


def test_a_bend_that_is_still_ahead_is_driven_beside_its_middle_as_before(bend):
    found = forecast(bend, [20.0, 1.0, 0.0, SPEED])[:, 0]
    np.testing.assert_allclose(found[0], [20.0, 1.0, 0.0, SPEED], atol=1e-6)
    inside = found[found[:, 0] > 31.0]
    ways = np.hypot(inside[:, 0] - 30.0, inside[:, 1] - RADIUS)
    np.testing.assert_allclose(ways, RADIUS - 1.0, atol=0.05)
    assert inside[-1, 2] > 0.1


def test_who_drifts_across_goes_on_to_do_so(bend):
    found = forecast(bend, [5.0, 0.0, 0.1, SPEED])[:, 0]
    np.testing.assert_allclose(np.diff(found[:, 1]), SPEED * DT * np.sin(0.1), atol=1e-6)
    np.testing.assert_allclose(found[:, 2], 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("state", "turn"),
    [
        ([20.0, 3.0, 0.0, SPEED], 0.0),  # beside the lane
        ([20.0, 0.0, 0.6, SPEED], 0.0),  # across it
        ([20.0, 0.0, np.pi, SPEED], 0.0),  # against it
        ([20.0, 0.0, 0.0, 0.2], 0.0),  # hardly moving
        ([20.0, 0.0, 0.0, SPEED], 0.5),  # turning off
        ([np.nan] * 4, 0.0),
    ],
)
def test_nothing_is_said_of_who_does_not_drive_along_a_lane(bend, state, turn):
    assert np.isnan(forecast(bend, state, turns=[turn])).all()


def test_whoever_turns_as_the_lane_does_keeps_to_it(bend):
    at = np.pi / 4
    state = [30.0 + RADIUS * np.sin(at), RADIUS * (1 - np.cos(at)), at, SPEED]
    assert np.isfinite(forecast(bend, state, turns=[SPEED / RADIUS])).all()
    assert np.isnan(forecast(bend, state, turns=[-SPEED / RADIUS])).all()
