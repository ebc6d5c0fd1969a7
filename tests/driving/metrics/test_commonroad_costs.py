"""CommonRoad's costs: hand-made cases of each term, and reference costs of two trajectories."""

import numpy as np
import pytest
from small_roads import DT, road, scenario, straight

from wm_planner.driving.generation import EXAMPLES
from wm_planner.driving.geometry.shapes import Circle, Rectangle
from wm_planner.driving.metrics.commonroad import TERMS, WEIGHTS, commonroad_cost
from wm_planner.driving.metrics.lane_matching import lane_coordinates
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.scenarios.scenario import Goal, PlanningProblem
from wm_planner.driving.scenarios.tracks import Obstacle, Tracks
from wm_planner.driving.scenarios.writers.solution import COSTS, ProblemSolution
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import ScenarioError, ShapeError

DURATION_S = 4.0  # of 41 steps
RADIUS = BMW_320I.width_m / 2.5

REFERENCE = {
    "drive_merge": (
        *(16.0, 0.0009732000103038344, 5320.253466666667, 27503.55496651783),
        *(870.2216331844947, 27121.05496651783, 43.87755681231985, 1.2897186602957456),
    ),
    "drive_roundabout": (
        *(24.0, 22610.855364104802, 1534.357269187251, 988.3009286657631),
        *(988.3009286657631, 859.9289286657631, 18.111966885930194, 2.193835966339631),
    ),
}
"""Costs by commonroad-drivability-checker 2025.4, in the order of COSTS."""


def solution_for(states, steering=0.0, cost="SM1", vehicle=2):
    x, y, yaw, v = states.T
    return ProblemSolution(
        9, "KS", vehicle, cost, np.stack([x, y, np.broadcast_to(steering, x.shape), v, yaw], axis=1)
    )


def terms(states, cost="SM1", world=None, **fields):
    world = world or scenario()
    return commonroad_cost(world, world.problems[0], solution_for(states, cost=cost, **fields)).terms


def scenario_with_cars(*centres, yaw=0.1):
    """Stopped cars of 4 by 2 m."""
    states = np.array([np.tile([x, y, yaw, 0.0], (60, 1)) for x, y in centres])
    count = len(centres)
    return scenario(
        tracks=Tracks(
            tuple(range(count)), ("car",) * count, [[4, 2]] * count, states, np.ones((count, 60), bool)
        )
    )


@pytest.mark.parametrize("name", REFERENCE)
def test_costs_equal_the_reference(name):
    example = EXAMPLES[name]()
    steering = 0.02 * np.sin(np.arange(len(example.solution)) / 7)
    for cost, expected in zip(COSTS, REFERENCE[name], strict=True):
        solution = solution_for(example.solution, steering, cost)
        result = commonroad_cost(example.scenario, example.scenario.problems[0], solution)
        assert result.total == pytest.approx(expected, rel=1e-9), cost


@pytest.mark.parametrize("cost", COSTS)
def test_a_cost_is_the_weighted_sum_of_its_terms(cost):
    world = scenario_with_cars((60.0, 0.2))
    states = straight(v=8.0, y=0.3)
    result = commonroad_cost(world, world.problems[0], solution_for(states, 0.1, cost))
    assert result.terms.keys() == WEIGHTS[cost].keys() <= TERMS.keys()
    assert result.total == pytest.approx(sum(w * result.terms[name] for name, w in WEIGHTS[cost].items()))


def test_duration_and_path_length_at_constant_speed():
    assert terms(straight(), "JB1") == {"T": pytest.approx(DURATION_S)}
    assert terms(straight())["L"] == pytest.approx(40.0)


def test_constant_braking_has_acceleration_cost_and_no_jerk():
    braking = straight()
    braking[:, 3] -= 2.0 * DT * np.arange(41)
    values = terms(braking, "WX1")
    assert values["A"] == pytest.approx(2.0**2 * (DURATION_S - DT))
    assert values["J"] == pytest.approx(0.0, abs=1e-9)


def test_steering_angle_and_rate_are_squared():
    values = terms(straight(), "SA1", steering=0.1 + 0.02 * DT * np.arange(41))
    assert values["SR"] == pytest.approx(0.02**2 * (DURATION_S - DT))
    assert terms(straight(), "SA1", steering=0.1)["SA"] == pytest.approx(0.1**2 * DURATION_S)


@pytest.mark.parametrize(("ranges", "term"), [([(7.0, 9.0)], 9.0), ([(12.0, 13.0), (8.0, 9.0)], 4.0)])
def test_speed_is_compared_with_the_lowest_bound_of_the_goals(ranges, term):
    world = scenario()
    goals = tuple(Goal((0, 9), v=v) for v in ranges)
    problem = PlanningProblem(9, world.problems[0].start, goals)
    value = commonroad_cost(world, problem, solution_for(straight())).terms["V"]
    assert value == pytest.approx(term * DURATION_S)


@pytest.mark.parametrize("v", [None, (0.0, 5.0)])
def test_without_a_goal_speed_or_with_zero_there_is_no_speed_error(v):
    world = scenario()
    problem = PlanningProblem(9, world.problems[0].start, (Goal((0, 9), v=v),))
    assert commonroad_cost(world, problem, solution_for(straight())).terms["V"] == 0


def test_offset_and_heading_error_from_the_centreline():
    offset = straight(y=0.4)
    assert terms(offset, "TR1")["LC"] == pytest.approx(0.4**2 * DURATION_S)
    offset[:, 2] = 0.05
    assert terms(offset)["O"] == pytest.approx(0.05**2 * DURATION_S)


def test_each_lane_has_its_own_centreline():
    assert terms(straight(y=3.5), "TR1")["LC"] == pytest.approx(0.0, abs=1e-12)


def test_distance_is_to_the_centre_of_the_next_agent_ahead():
    values = terms(straight(v=0.0), "SA1", world=scenario_with_cars((60.0, 0.5), (35.0, 0.0), (9.0, 0.0)))
    assert values["D"] == pytest.approx(DURATION_S * np.exp(-0.2 * (25.0 - RADIUS)))


@pytest.mark.parametrize(("y", "counts"), [(2.79, True), (2.81, False)])
def test_only_agents_in_the_same_lane_count(y, counts):
    assert (terms(straight(v=0.0), "SA1", world=scenario_with_cars((35.0, y)))["D"] > 0) == counts


@pytest.mark.parametrize(("x", "counts"), [(207.0, True), (207.2, False)])
def test_agents_count_within_a_hundred_metres(x, counts):
    """Plus half the length of the box."""
    assert (terms(straight(x=105.0, v=0.0), "SA1", world=scenario_with_cars((x, 0.0)))["D"] > 0) == counts


def test_boxes_with_yaw_zero_are_ignored():
    assert terms(straight(v=0.0), "SA1", world=scenario_with_cars((35.0, 0.0), yaw=0.0))["D"] == 0


@pytest.mark.parametrize("shape", [Circle(np.array([35.0, 0.0]), 1.0), Rectangle([35.0, 0.0], 4.0, 2.0, 0.1)])
def test_static_obstacles_count(shape):
    world = scenario(obstacles=(Obstacle(5, "pillar", (shape,)),))
    values = terms(straight(v=0.0), "SA1", world=world)
    assert values["D"] == pytest.approx(DURATION_S * np.exp(-0.2 * (25.0 - RADIUS)))


def test_the_inverse_duration_is_always_ten():
    assert terms(straight(), "MW1")["ID"] == terms(straight(steps=21), "MW1")["ID"] == 10


def test_the_speed_of_a_point_mass_is_its_speed_along_x():
    x, y, _, v = straight(yaw=0.3).T
    solution = ProblemSolution(9, "PM", 2, "WX1", np.stack([x, y, v * np.cos(0.3), v * np.sin(0.3)], axis=1))
    result = commonroad_cost(scenario(), scenario().problems[0], solution)
    assert result.terms["L"] == pytest.approx(40.0 * np.cos(0.3))


def test_the_truck_and_drives_off_the_lanes_are_refused():
    with pytest.raises(ShapeError, match=r"vehicle 4, wanted one of \[1, 2, 3\]"):
        terms(straight(), vehicle=4)
    with pytest.raises(ScenarioError, match="the drive is on no lane"):
        terms(straight(y=-30.0))
    assert terms(straight(y=-30.0), "JB1")["T"] == DURATION_S


def test_arc_length_continues_across_a_lane_change():
    changing = straight(x=60.0, v=20.0)
    changing[:, 1] = 3.5 / (1 + np.exp(-(np.arange(41) - 20) / 2.0))
    coordinates = lane_coordinates(road(), changing[:, :2], changing[:, 2], RADIUS, 2.0)
    np.testing.assert_allclose(np.diff(coordinates.s), 2.0, atol=1e-6)
    assert np.abs(coordinates.d).max() < 1.8 and coordinates.d[0] == pytest.approx(0.0, abs=1e-3)
    assert coordinates.d[-1] == pytest.approx(0.0, abs=1e-3)


def test_leaving_the_lanes_is_an_error_with_the_place():
    leaving = straight(x=60.0)
    leaving[30:, 1] = -40.0
    with pytest.raises(ScenarioError, match=r"leaves its lanes at step 30, at \[90.0, -40.0\]"):
        lane_coordinates(road(), leaving[:, :2], leaving[:, 2], RADIUS, 1.0)


def test_a_road_without_lanes_is_an_error():
    with pytest.raises(ScenarioError, match="on no lane"):
        lane_coordinates(Road(), straight()[:, :2], straight()[:, 2], RADIUS, 1.0)
