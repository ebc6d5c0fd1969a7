"""What counts as what in a planning problem, for one ego and for many."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, cars, parked, street

from wm_planner.driving.drive import Drive, planning_problems
from wm_planner.driving.geometry.shapes import Polygon
from wm_planner.driving.scenarios.scenario import Start
from wm_planner.driving.scenarios.tracks import (
    Obstacle,
    Occupancy,
    Region,
    Tracks,
)
from wm_planner.driving.vehicle.vehicle import BMW_320I, PACIFICA
from wm_planner.errors import ScenarioError, SimulationError


def still(x, y=0.0, yaw=0.0):
    """An ego whose box's middle stays at a pose for 3 moments, (1, 3, 6)."""
    return np.tile(BMW_320I.at_rear_axle(np.array([x, y, yaw, 0.0, 0.0, 0.0])), (1, 3, 1))


def verdict(scenario, ego, first=0):
    drive = Drive(scenario, BMW_320I)
    agents = np.stack([scenario.tracks.at(first + t)[0] for t in range(ego.shape[1])])
    return drive.evaluate(ego, agents, first)


def test_the_first_state_is_that_of_the_problem_at_the_rear_axle():
    scenario = street()
    problem = replace(scenario.problems[0], start=Start(5.0, 0.2, 0.0, 10.0, 0.5, yaw_rate=0.1))
    start = Drive(replace(scenario, problems=(problem,)), PACIFICA).start
    np.testing.assert_allclose(start[:5], [5.0 - 1.461, 0.2, 0.0, 10.0, 0.5])
    assert PACIFICA.yaw_rate(start) == pytest.approx(0.1)


def test_an_agent_collides_when_boxes_touch():
    scenario = street([(20.0, 0, 10.0)])
    # 4.508 and 4.5 m long: bumpers touch 4.504 m apart, which it is at its second moment
    assert verdict(scenario, still(21.0 + 4.5)).collided[0] == 1
    assert verdict(scenario, still(22.0 + 4.51)).collided[0] == 3


@pytest.mark.parametrize(("x", "first"), [(26.0, 0), (40.0, 3)])
def test_what_stands_collides_too(x, first):
    scenario = street(about={"obstacles": (parked(30.0),)})
    assert verdict(scenario, still(x)).collided[0] == first


def test_a_polygon_collides_where_it_is_and_not_in_the_box_around_it():
    corner = Polygon(np.array([[20.0, 0.0], [30.0, 0.0], [20.0, 10.0]]))
    scenario = street(about={"obstacles": (Obstacle(1, "building", (corner,)),)})
    assert verdict(scenario, still(30.0, 0.9 - 1.0)).collided[0] == 0
    assert verdict(scenario, still(33.0, 1.0)).collided[0] == 3


def test_an_occupancy_collides_while_it_is_there():
    region = Region(1, 1, (Polygon(np.array([[20.0, -1.0], [22.0, -1.0], [22.0, 1.0]])),))
    scenario = street(about={"occupancies": (Occupancy(9, (region,)),)})
    assert verdict(scenario, still(21.0)).collided[0] == 1
    assert verdict(scenario, still(21.0), first=2).collided[0] == 3


@pytest.mark.parametrize(("y", "first"), [(1.24, 3), (1.26, 0)])
def test_a_corner_thirty_centimetres_off_the_road_has_left_it(y, first):
    scenario = street()  # 3.5 m wide; the car is 1.61 m wide
    assert verdict(scenario, still(20.0, y)).off_road[0] == first


def test_it_has_arrived_where_and_when_the_goal_wants_it():
    scenario = street(steps=50)
    assert verdict(scenario, still(101.0)).arrived[0] == 0
    assert verdict(scenario, still(99.0)).arrived[0] == 3
    assert verdict(scenario, still(101.0), first=51).arrived[0] == 3


def test_the_route_reaches_the_goal_where_its_place_begins():
    drive = Drive(street(goal_x=100.0), BMW_320I)
    assert drive.line.poses(drive.goal_s)[0] == pytest.approx(100.0, abs=1.0)


def test_many_rollouts_are_judged_as_one_by_one():
    scenario = street([(30.0, 0, 4.0), (40.0, 1, 2.0)], rows=2, goal_x=50.0)
    drive = Drive(scenario, BMW_320I)
    commands = np.random.default_rng(0).normal(size=(200, 60, 2)) * (3.0, 0.05)
    states, many = drive.rollout(commands)
    shares = [(first < 60).mean() for first in many]
    assert all(0.05 < share < 0.95 for share in shares)
    for n in range(0, 200, 10):
        alone, one = drive.rollout(commands[n : n + 1])
        np.testing.assert_array_equal(alone[0], states[n])
        assert [int(first[0]) for first in one] == [int(first[n]) for first in many]


def test_a_recorded_ego_is_a_problem_to_get_where_it_went():
    ego = cars([(0.0, 0, 10.0)], 50)
    scenario = street(about={"problems": (), "ego": ego})
    (problem,) = planning_problems(scenario)
    assert problem.start.v == 10.0
    drive = Drive(scenario, BMW_320I)
    _, found = drive.rollout(np.zeros((1, 49, 2)))
    assert found.arrived[0] == 45  # after 46 of 49 m: within 3 m counts as there


def test_nothing_to_drive_is_said():
    with pytest.raises(SimulationError, match="no planning problem and no recorded ego"):
        Drive(street(about={"problems": ()}), BMW_320I)


def test_a_start_off_all_lanes_is_said():
    scenario = street()
    problem = replace(scenario.problems[0], start=Start(0.0, 50.0, 0.0, 1.0))
    with pytest.raises(ScenarioError, match="off all lanes"):
        Drive(replace(scenario, problems=(problem,)), BMW_320I)


def test_the_recording_is_not_read_beyond_its_end():
    scenario = street([(20.0, 0, 0.0)], steps=2)
    assert isinstance(scenario.tracks, Tracks)
    states, found = Drive(scenario, BMW_320I).rollout(np.zeros((1, round(3.0 / DT), 2)))
    assert found.collided[0] == len(states[0])  # the car that stood in the way has gone by then
