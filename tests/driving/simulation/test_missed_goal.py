"""The reason for which a drive has missed its goal."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, WIDTH, parked, street

from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.scenario import Goal
from wm_planner.driving.simulation.missed_goal import why_missed
from wm_planner.driving.simulation.simulator import DrivingSimulator


def with_goal(scenario, *, y=0.0, steps=(0, 100), **conditions):
    """The scenario with a goal area of 20 m by 3 m from x = 100."""
    goal = Goal(steps, (Rectangle(np.array([110.0, y]), 20.0, 3.0),), **conditions)
    return replace(scenario, problems=(replace(scenario.problems[0], goals=(goal,)),))


def straight(steps, v=10.0):
    """States (T, 4) along y = 0 from x = 0."""
    return np.stack([v * DT * np.arange(steps), *np.zeros((2, steps)), np.full(steps, v)], axis=1)


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        ({"y": WIDTH}, "wrong lane: the goal area is 2.0 m to the left of where the car drove"),
        ({"y": -4.0}, "the goal area is 2.5 m to the right of where the car drove"),  # off the road
        (
            {"steps": (0, 90)},
            "outside the time window: in the goal area from 10.0 to 12.0 s, wanted between 0.0 and 9.0 s",
        ),
        ({"yaw": (0.5, 1.0)}, "wrong heading: off by 29 deg or more in the goal area"),
        ({"v": (0.0, 5.0)}, "wrong speed: 10.0 m/s in the goal area, wanted 0.0 to 5.0 m/s"),
    ],
)
def test_the_condition_that_a_drive_did_not_meet_is_named(goal, reason):
    scenario = with_goal(street(rows=2), **{"steps": (0, 200)} | goal)
    goals = scenario.problems[0].goals
    assert why_missed(scenario, goals, straight(140), first_step=0) == reason


def test_a_drive_that_is_still_on_its_way_has_run_out_of_steps():
    scenario = street()
    reason = why_missed(scenario, scenario.problems[0].goals, straight(51), first_step=0)
    assert reason == "out of steps, 50.0 m from the goal area"


@pytest.mark.parametrize("at_x", [110.0, 125.0])  # next to the goal area, and past it
def test_a_goal_in_the_next_lane_is_missed_by_a_driver_that_keeps_its_lane(at_x):
    simulator = DrivingSimulator(with_goal(street(rows=2), y=WIDTH), DrivingSimulator.Options(picture=None))
    simulator.reset(0)
    assert simulator.distance == pytest.approx(100.0, abs=0.1)  # the route changes lanes only after the goal
    assert simulator.why_missed().startswith("out of steps, ")
    while simulator.vehicle.at_centre(simulator.now.ego)[0] < at_x:
        simulator.step(np.zeros(2))
    assert not simulator.reached and simulator.distance == 0
    assert simulator.why_missed() == "wrong lane: the goal area is 2.0 m to the left of where the car drove"


def test_a_drive_that_collided_says_when():
    simulator = DrivingSimulator(
        street(fields={"obstacles": (parked(30.0),)}), DrivingSimulator.Options(picture=None)
    )
    simulator.reset(0)
    while not simulator.now.failed:
        simulator.step(np.zeros(2))
    assert simulator.why_missed() == f"collided at {simulator.step_index * DT:.1f} s"


def test_a_drive_that_has_arrived_has_no_reason():
    simulator = DrivingSimulator(street(), DrivingSimulator.Options(picture=None))
    simulator.reset(0)
    while not simulator.reached:
        simulator.step(np.zeros(2))
    assert simulator.why_missed() == ""
