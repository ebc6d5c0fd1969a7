"""Distance of trajectories to goals."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, WIDTH, street

from wm_planner.driving.drive import Drive
from wm_planner.driving.planners.goal_tracking import GoalTracker
from wm_planner.driving.scenarios.scenario import Goal, PlanningProblem
from wm_planner.driving.vehicle.vehicle import BMW_320I

H = 40


def tracker_of(goal, **scene):
    scenario = street(**scene)
    problem = PlanningProblem(1, scenario.problems[0].start, (goal,))
    return GoalTracker(Drive(replace(scenario, problems=(problem,)), BMW_320I))


def straight(speed, y=0.0):
    """Driving straight ahead for H steps, (1, H + 1, 4)."""
    x = speed * DT * np.arange(H + 1)
    return np.stack([x, np.full_like(x, y), np.zeros_like(x), np.full_like(x, speed)], axis=-1)[None]


def test_a_goal_lane_ahead_is_missed_in_the_neighbouring_lane():
    tracker = tracker_of(Goal((20, 80), lanes=(20,)), rows=2, light=(("green", 200),))
    assert tracker.regions[0].s_min == pytest.approx(110.0, abs=1.0)  # the line begins 50 m behind the ego
    assert tracker.regions[0].half_width == pytest.approx(WIDTH / 2, abs=0.3)
    in_lane, next_lane = (tracker.shortfall(straight(14.0, y), 0)[0] for y in (0.0, WIDTH))
    assert in_lane < 0.3
    assert next_lane > 1.0


@pytest.mark.parametrize(("speed", "reached"), [(9.0, True), (11.9, False), (12.1, False)])
def test_the_shortfall_keeps_a_margin_inside_of_the_goals_speeds(speed, reached):
    tracker = tracker_of(Goal((H, H), lanes=(10,), v=(6.0, 12.0)))
    shortfall = tracker.shortfall(straight(speed), 0)[0]
    assert (shortfall == 0) == reached
    assert tracker.arrived(straight(speed), 0)[0] == (speed < 12.0)


def test_narrow_ranges_of_speeds_can_still_be_reached():
    tracker = tracker_of(Goal((H, H), lanes=(10,), v=(9.9, 10.1)))
    assert tracker.shortfall(straight(10.0), 0)[0] == 0


def test_a_goal_without_a_place_has_no_distance():
    tracker = tracker_of(Goal((H, 80)))
    assert tracker.shortfall(straight(10.0, 40.0), 0)[0] == 0
    assert tracker.shortfall(straight(10.0, 40.0), 10)[0] == pytest.approx(0.0)
