"""Outcomes of single and of many trajectories in a planning problem."""

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


def stationary(x, y=0.0, yaw=0.0):
    """States (1, 3, 6) of an ego whose box centre stays at a pose."""
    return np.tile(BMW_320I.at_rear_axle(np.array([x, y, yaw, 0.0, 0.0, 0.0])), (1, 3, 1))


def outcome(scenario, ego, first=0):
    drive = Drive(scenario, BMW_320I)
    agents = np.stack([scenario.tracks.at(first + t)[0] for t in range(ego.shape[1])])
    return drive.evaluate(ego, agents, first)


def test_the_start_is_the_initial_state_at_the_rear_axle():
    scenario = street()
    problem = replace(scenario.problems[0], start=Start(5.0, 0.2, 0.0, 10.0, 0.5, yaw_rate=0.1))
    start = Drive(replace(scenario, problems=(problem,)), PACIFICA).start
    np.testing.assert_allclose(start[:5], [5.0 - 1.461, 0.2, 0.0, 10.0, 0.5])
    assert PACIFICA.yaw_rate(start) == pytest.approx(0.1)


def test_touching_an_agent_is_a_collision():
    scenario = street([(20.0, 0, 10.0)])
    # lengths of 4.508 and 4.5 m: bumpers touch at a distance of 4.504 m, reached at the second step
    assert outcome(scenario, stationary(21.0 + 4.5)).collided[0] == 1
    assert outcome(scenario, stationary(22.0 + 4.51)).collided[0] == 3


@pytest.mark.parametrize(("x", "first"), [(26.0, 0), (40.0, 3)])
def test_touching_an_obstacle_is_a_collision(x, first):
    scenario = street(fields={"obstacles": (parked(30.0),)})
    assert outcome(scenario, stationary(x)).collided[0] == first


def test_polygons_collide_by_their_exact_shape():
    corner = Polygon(np.array([[20.0, 0.0], [30.0, 0.0], [20.0, 10.0]]))
    scenario = street(fields={"obstacles": (Obstacle(1, "building", (corner,)),)})
    assert outcome(scenario, stationary(30.0, 0.9 - 1.0)).collided[0] == 0
    assert outcome(scenario, stationary(33.0, 1.0)).collided[0] == 3


def test_occupancies_collide_at_their_steps_only():
    region = Region(1, 1, (Polygon(np.array([[20.0, -1.0], [22.0, -1.0], [22.0, 1.0]])),))
    scenario = street(fields={"occupancies": (Occupancy(9, (region,)),)})
    assert outcome(scenario, stationary(21.0)).collided[0] == 1
    assert outcome(scenario, stationary(21.0), first=2).collided[0] == 3


@pytest.mark.parametrize(("y", "first"), [(1.24, 3), (1.26, 0)])
def test_a_corner_more_than_thirty_centimetres_off_the_road_is_off_road(y, first):
    scenario = street()  # 3.5 m wide; the car is 1.61 m wide
    assert outcome(scenario, stationary(20.0, y)).off_road[0] == first


def test_the_ego_arrives_within_the_goal_region_and_its_time_window():
    scenario = street(steps=50)
    assert outcome(scenario, stationary(101.0)).arrived[0] == 0
    assert outcome(scenario, stationary(99.0)).arrived[0] == 3
    assert outcome(scenario, stationary(101.0), first=51).arrived[0] == 3


def test_the_goal_arc_length_is_where_the_route_enters_the_goal_region():
    drive = Drive(street(goal_x=100.0), BMW_320I)
    assert drive.line.poses(drive.goal_s)[0] == pytest.approx(100.0, abs=1.0)


def test_rollouts_are_evaluated_independently():
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


def test_a_recorded_ego_defines_a_problem():
    ego = cars([(0.0, 0, 10.0)], 50)
    scenario = street(fields={"problems": (), "ego": ego})
    (problem,) = planning_problems(scenario)
    assert problem.start.v == 10.0
    drive = Drive(scenario, BMW_320I)
    _, found = drive.rollout(np.zeros((1, 49, 2)))
    assert found.arrived[0] == 45  # after 46 of 49 m, within the goal radius of 3 m


def test_a_scenario_without_problem_and_ego_is_refused():
    with pytest.raises(SimulationError, match="no planning problem and no recorded ego"):
        Drive(street(fields={"problems": ()}), BMW_320I)


def test_a_start_off_all_lanes_is_refused():
    scenario = street()
    problem = replace(scenario.problems[0], start=Start(0.0, 50.0, 0.0, 1.0))
    with pytest.raises(ScenarioError, match="off all lanes"):
        Drive(replace(scenario, problems=(problem,)), BMW_320I)


def test_agents_are_absent_after_the_recording():
    scenario = street([(20.0, 0, 0.0)], steps=2)
    assert isinstance(scenario.tracks, Tracks)
    states, found = Drive(scenario, BMW_320I).rollout(np.zeros((1, round(3.0 / DT), 2)))
    assert found.collided[0] == len(states[0])  # the car in the path is absent by then
