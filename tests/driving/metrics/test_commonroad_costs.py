"""CommonRoad's costs: terms by hand, and what its own tools say of two trajectories."""

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

LASTS = 4.0  # s, of 41 steps
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
"""What commonroad-drivability-checker 2025.4 says, in the order of COSTS."""


def answered(states, steering=0.0, cost="SM1", vehicle=2):
    x, y, yaw, v = states.T
    return ProblemSolution(
        9, "KS", vehicle, cost, np.stack([x, y, np.broadcast_to(steering, x.shape), v, yaw], axis=1)
    )


def terms(states, cost="SM1", world=None, **about):
    world = world or scenario()
    return commonroad_cost(world, world.problems[0], answered(states, cost=cost, **about)).terms


def among(*centres, yaw=0.1):
    """Cars of 4 by 2 m that stand."""
    states = np.array([np.tile([x, y, yaw, 0.0], (60, 1)) for x, y in centres])
    count = len(centres)
    return scenario(
        tracks=Tracks(
            tuple(range(count)), ("car",) * count, [[4, 2]] * count, states, np.ones((count, 60), bool)
        )
    )


@pytest.mark.parametrize("name", REFERENCE)
def test_costs_are_those_of_commonroads_tools(name):
    example = EXAMPLES[name]()
    steering = 0.02 * np.sin(np.arange(len(example.solution)) / 7)
    for cost, wanted in zip(COSTS, REFERENCE[name], strict=True):
        answer = answered(example.solution, steering, cost)
        found = commonroad_cost(example.scenario, example.scenario.problems[0], answer)
        assert found.total == pytest.approx(wanted, rel=1e-9), cost


@pytest.mark.parametrize("cost", COSTS)
def test_a_cost_is_the_weighted_sum_of_its_terms(cost):
    world = among((60.0, 0.2))
    states = straight(v=8.0, y=0.3)
    found = commonroad_cost(world, world.problems[0], answered(states, 0.1, cost))
    assert found.terms.keys() == WEIGHTS[cost].keys() <= TERMS.keys()
    assert found.total == pytest.approx(sum(w * found.terms[name] for name, w in WEIGHTS[cost].items()))


def test_duration_and_length_of_a_steady_drive():
    assert terms(straight(), "JB1") == {"T": pytest.approx(LASTS)}
    assert terms(straight())["L"] == pytest.approx(40.0)


def test_steady_braking_has_its_square_for_its_duration_and_no_jerk():
    braking = straight()
    braking[:, 3] -= 2.0 * DT * np.arange(41)
    found = terms(braking, "WX1")
    assert found["A"] == pytest.approx(2.0**2 * (LASTS - DT))
    assert found["J"] == pytest.approx(0.0, abs=1e-9)


def test_steering_and_its_rate_are_squared():
    found = terms(straight(), "SA1", steering=0.1 + 0.02 * DT * np.arange(41))
    assert found["SR"] == pytest.approx(0.02**2 * (LASTS - DT))
    assert terms(straight(), "SA1", steering=0.1)["SA"] == pytest.approx(0.1**2 * LASTS)


@pytest.mark.parametrize(("wanted", "term"), [([(7.0, 9.0)], 9.0), ([(12.0, 13.0), (8.0, 9.0)], 4.0)])
def test_speed_is_compared_with_the_lowest_of_the_goals(wanted, term):
    world = scenario()
    goals = tuple(Goal((0, 9), v=v) for v in wanted)
    problem = PlanningProblem(9, world.problems[0].start, goals)
    found = commonroad_cost(world, problem, answered(straight())).terms["V"]
    assert found == pytest.approx(term * LASTS)


@pytest.mark.parametrize("v", [None, (0.0, 5.0)])
def test_without_a_speed_or_with_one_of_zero_there_is_nothing_to_compare(v):
    world = scenario()
    problem = PlanningProblem(9, world.problems[0].start, (Goal((0, 9), v=v),))
    assert commonroad_cost(world, problem, answered(straight())).terms["V"] == 0


def test_beside_the_centre_and_turned_against_it():
    aside = straight(y=0.4)
    assert terms(aside, "TR1")["LC"] == pytest.approx(0.4**2 * LASTS)
    aside[:, 2] = 0.05
    assert terms(aside)["O"] == pytest.approx(0.05**2 * LASTS)


def test_another_lane_has_another_centre():
    assert terms(straight(y=3.5), "TR1")["LC"] == pytest.approx(0.0, abs=1e-12)


def test_the_nearest_ahead_counts_by_its_centre():
    found = terms(straight(v=0.0), "SA1", world=among((60.0, 0.5), (35.0, 0.0), (9.0, 0.0)))
    assert found["D"] == pytest.approx(LASTS * np.exp(-0.2 * (25.0 - RADIUS)))


@pytest.mark.parametrize(("y", "seen"), [(2.79, True), (2.81, False)])
def test_only_what_is_in_the_same_lane_is_ahead(y, seen):
    assert (terms(straight(v=0.0), "SA1", world=among((35.0, y)))["D"] > 0) == seen


@pytest.mark.parametrize(("x", "seen"), [(207.0, True), (207.2, False)])
def test_a_hundred_metres_are_seen(x, seen):
    """And half of the box."""
    assert (terms(straight(x=105.0, v=0.0), "SA1", world=among((x, 0.0)))["D"] > 0) == seen


def test_boxes_along_the_maps_axis_are_not_seen():
    assert terms(straight(v=0.0), "SA1", world=among((35.0, 0.0), yaw=0.0))["D"] == 0


@pytest.mark.parametrize("shape", [Circle(np.array([35.0, 0.0]), 1.0), Rectangle([35.0, 0.0], 4.0, 2.0, 0.1)])
def test_what_stands_is_seen_too(shape):
    world = scenario(obstacles=(Obstacle(5, "pillar", (shape,)),))
    found = terms(straight(v=0.0), "SA1", world=world)
    assert found["D"] == pytest.approx(LASTS * np.exp(-0.2 * (25.0 - RADIUS)))


def test_the_inverse_duration_is_ten_whatever_the_duration():
    assert terms(straight(), "MW1")["ID"] == terms(straight(steps=21), "MW1")["ID"] == 10


def test_a_point_mass_has_its_speed_along_x():
    x, y, _, v = straight(yaw=0.3).T
    answer = ProblemSolution(9, "PM", 2, "WX1", np.stack([x, y, v * np.cos(0.3), v * np.sin(0.3)], axis=1))
    found = commonroad_cost(scenario(), scenario().problems[0], answer)
    assert found.terms["L"] == pytest.approx(40.0 * np.cos(0.3))


def test_the_truck_and_drives_off_the_lanes_are_refused():
    with pytest.raises(ShapeError, match=r"vehicle 4, wanted one of \[1, 2, 3\]"):
        terms(straight(), vehicle=4)
    with pytest.raises(ScenarioError, match="the drive is on no lane"):
        terms(straight(y=-30.0))
    assert terms(straight(y=-30.0), "JB1")["T"] == LASTS


def test_arc_length_goes_on_from_lane_to_lane():
    changing = straight(x=60.0, v=20.0)
    changing[:, 1] = 3.5 / (1 + np.exp(-(np.arange(41) - 20) / 2.0))
    found = lane_coordinates(road(), changing[:, :2], changing[:, 2], RADIUS, 2.0)
    np.testing.assert_allclose(np.diff(found.s), 2.0, atol=1e-6)
    assert np.abs(found.d).max() < 1.8 and found.d[0] == pytest.approx(0.0, abs=1e-3)
    assert found.d[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_drive_that_leaves_its_lanes_is_told_where():
    leaving = straight(x=60.0)
    leaving[30:, 1] = -40.0
    with pytest.raises(ScenarioError, match=r"leaves its lanes at step 30, at \[90.0, -40.0\]"):
        lane_coordinates(road(), leaving[:, :2], leaving[:, 2], RADIUS, 1.0)


def test_no_lanes_no_costs_along_them():
    with pytest.raises(ScenarioError, match="on no lane"):
        lane_coordinates(Road(), straight()[:, :2], straight()[:, 2], RADIUS, 1.0)
