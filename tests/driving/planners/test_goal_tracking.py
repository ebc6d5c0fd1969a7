"""How near drives come to goals."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, WIDTH, street

from wm_planner.driving.drive import Drive
from wm_planner.driving.planners.goal_tracking import GoalTracker
from wm_planner.driving.scenarios.scenario import Goal, PlanningProblem
from wm_planner.driving.vehicle.vehicle import BMW_320I

H = 40


def aim_at(goal, **how):
    scenario = street(**how)
    problem = PlanningProblem(1, scenario.problems[0].start, (goal,))
    return GoalTracker(Drive(replace(scenario, problems=(problem,)), BMW_320I))


def straight(speed, y=0.0):
    """Going straight on for H steps, (1, H + 1, 4)."""
    x = speed * DT * np.arange(H + 1)
    return np.stack([x, np.full_like(x, y), np.zeros_like(x), np.full_like(x, speed)], axis=-1)[None]


def test_a_lane_that_begins_ahead_is_missed_by_who_ends_up_beside_it():
    aim = aim_at(Goal((20, 80), lanes=(20,)), rows=2, light=(("green", 200),))
    assert aim.regions[0].low == pytest.approx(110.0, abs=1.0)  # the line begins 50 m behind the ego
    assert aim.regions[0].room == pytest.approx(WIDTH / 2, abs=0.3)
    on, beside = (aim.shortfall(straight(14.0, y), 0)[0] for y in (0.0, WIDTH))
    assert on < 0.3
    assert beside > 1.0


@pytest.mark.parametrize(("speed", "is_in"), [(9.0, True), (11.9, False), (12.1, False)])
def test_a_speed_is_aimed_at_inside_what_is_asked_for(speed, is_in):
    aim = aim_at(Goal((H, H), lanes=(10,), v=(6.0, 12.0)))
    missed = aim.shortfall(straight(speed), 0)[0]
    assert (missed == 0) == is_in
    assert aim.arrived(straight(speed), 0)[0] == (speed < 12.0)


def test_narrow_ranges_are_aimed_at_all_the_same():
    aim = aim_at(Goal((H, H), lanes=(10,), v=(9.9, 10.1)))
    assert aim.shortfall(straight(10.0), 0)[0] == 0


def test_a_goal_without_a_place_is_missed_nowhere():
    aim = aim_at(Goal((H, 80)))
    assert aim.shortfall(straight(10.0, 40.0), 0)[0] == 0
    assert aim.shortfall(straight(10.0, 40.0), 10)[0] == pytest.approx(0.0)
