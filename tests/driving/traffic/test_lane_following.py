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
    """A lane of 30 m along x, then a quarter circle to the left."""
    course = Course(Pose(0.0, 0.0, 0.0)).straight(30.0).arc(np.pi / 2, RADIUS)
    return LaneFollowingForecaster(Lanes(Road({1: lane(1, course, 0.0, 3.5)})))


def forecast(forecaster, *states, yaw_rates=None):
    states = np.array(states, np.float64)
    rates = np.zeros(len(states)) if yaw_rates is None else np.array(yaw_rates, np.float64)
    return forecaster.forecast(np.arange(len(states)), states, rates, DT, STEPS)


def test_an_agent_keeps_its_lateral_offset_in_a_bend_ahead(bend):
    found = forecast(bend, [20.0, 1.0, 0.0, SPEED])[:, 0]
    np.testing.assert_allclose(found[0], [20.0, 1.0, 0.0, SPEED], atol=1e-6)
    inside = found[found[:, 0] > 31.0]
    radii = np.hypot(inside[:, 0] - 30.0, inside[:, 1] - RADIUS)
    np.testing.assert_allclose(radii, RADIUS - 1.0, atol=0.05)
    assert inside[-1, 2] > 0.1


def test_an_agent_keeps_its_lateral_velocity(bend):
    found = forecast(bend, [5.0, 0.0, 0.1, SPEED])[:, 0]
    np.testing.assert_allclose(np.diff(found[:, 1]), SPEED * DT * np.sin(0.1), atol=1e-6)
    np.testing.assert_allclose(found[:, 2], 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("state", "yaw_rate"),
    [
        ([20.0, 3.0, 0.0, SPEED], 0.0),  # next to the lane
        ([20.0, 0.0, 0.6, SPEED], 0.0),  # across it
        ([20.0, 0.0, np.pi, SPEED], 0.0),  # against it
        ([20.0, 0.0, 0.0, 0.2], 0.0),  # hardly moving
        ([20.0, 0.0, 0.0, SPEED], 0.5),  # turning off the lane
        ([np.nan] * 4, 0.0),
    ],
)
def test_agents_that_do_not_follow_a_lane_are_not_predicted(bend, state, yaw_rate):
    assert np.isnan(forecast(bend, state, yaw_rates=[yaw_rate])).all()


def test_an_agent_with_the_yaw_rate_of_its_lane_keeps_to_it(bend):
    at = np.pi / 4
    state = [30.0 + RADIUS * np.sin(at), RADIUS * (1 - np.cos(at)), at, SPEED]
    assert np.isfinite(forecast(bend, state, yaw_rates=[SPEED / RADIUS])).all()
    assert np.isnan(forecast(bend, state, yaw_rates=[-SPEED / RADIUS])).all()
