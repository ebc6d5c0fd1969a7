import numpy as np
import pytest
from small_roads import road, scenario, straight

from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.route import driven_route, route_to_goal
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.road import Lane, Road
from wm_planner.errors import ScenarioError

LANES = Lanes(road())


def ids(route, lanes=LANES):
    return [lanes.ids[i] for i in route.lanes]


def to_goal(**fields):
    world = scenario(**fields)
    return route_to_goal(world, world.problems[0], Lanes(world.road))


def test_without_lane_changes_the_line_follows_the_lane_centres():
    route = to_goal()
    assert ids(route) == [1, 2]
    np.testing.assert_allclose(route.centreline.points[:, 1], 0.0)
    assert route.centreline.length == pytest.approx(200.0)


def test_lane_changes_are_smooth():
    route = to_goal(start=(10.0, 0.0), goal=(150.0, 3.5))
    assert ids(route) in ([1, 3, 4], [1, 2, 4])
    line = route.centreline
    at = line.project([[10.0, 0.0], [150.0, 3.5]])
    np.testing.assert_allclose(at.d, 0.0, atol=0.02)
    assert np.abs(np.sin(line.yaw)).max() < 0.07  # 3.5 m within 90
    assert np.abs(np.diff(line.yaw)).max() < 0.01


def test_a_lane_change_on_the_first_lane_begins_at_the_start():
    route = to_goal(start=(60.0, 0.0), goal=(95.0, 3.5))
    assert ids(route) == [1, 3, 4]
    assert route.centreline.project([60.0, 0.0]).d == pytest.approx(0.0, abs=0.01)


def test_the_corridor_contains_all_parallel_lanes_of_the_same_direction():
    route = to_goal()
    assert sorted(LANES.ids[i] for i in route.corridor) == [1, 2, 3, 4]


def test_among_overlapping_lanes_the_route_starts_on_the_one_with_the_same_direction():
    both = (*road().lanes.values(), Lane(6, road().lanes[1].right[::-1], road().lanes[1].left[::-1]))
    world = scenario(on=Road({each.id: each for each in both}))
    assert ids(route_to_goal(world, world.problems[0], lanes := Lanes(world.road)), lanes) == [1, 2]


def test_unreachable_goals_and_starts_off_the_lanes_are_refused():
    with pytest.raises(
        ScenarioError, match=r"no lanes lead from those of problem 9's start \(2\) to .* \(1\)"
    ):
        to_goal(start=(150.0, 0.0), goal=(50.0, 0.0))
    with pytest.raises(ScenarioError, match="problem 9 starts off all lanes"):
        to_goal(start=(50.0, -20.0))


def test_the_speed_limit_at_an_arc_length_is_that_of_its_lane():
    found = dict(road().lanes)
    found[2] = Lane(2, found[2].left, found[2].right, predecessors=(1,), speed_limit=20.0)
    route = to_goal(on=Road(found))
    np.testing.assert_allclose(route.speed_limit([5.0, 99.0, 101.0, 500.0]), [10, 10, 20, 20])


def test_the_driven_route_consists_of_the_lanes_that_were_followed():
    route = driven_route(LANES, straight(x=80.0))
    assert ids(route) == [1, 2]
    changing = np.stack([np.linspace(20, 180, 60), np.where(np.arange(60) < 20, 0.0, 3.5)], axis=1)
    changing = np.concatenate([changing, np.zeros((60, 2))], axis=1)
    assert ids(driven_route(LANES, changing)) == [1, 3, 4]


def test_off_the_lanes_the_driven_route_is_the_driven_line():
    route = driven_route(LANES, straight(y=-30.0, v=5.0))
    assert route.lanes == () and route.corridor == frozenset()
    assert route.centreline.project([20.0, -30.0]).d == 0
    assert np.isinf(route.speed_limit([1.0, 2.0])).all()


def test_a_stationary_ego_has_a_straight_line_ahead():
    route = driven_route(None, straight(v=0.0, yaw=np.pi / 2))
    assert route.centreline.length == pytest.approx(100.0)
    np.testing.assert_allclose(route.centreline.yaw, np.pi / 2)


def test_the_problems_of_the_reference_data_have_routes(shared_data):
    found = 0
    for path in sorted(shared_data("commonroad").glob("*/[ADFUZ]*.xml")):
        world = read_scenario(path)
        for problem in world.problems:
            route = route_to_goal(world, problem, Lanes(world.road))
            assert abs(route.centreline.project([problem.start.x, problem.start.y]).d) < 2.5
            found += 1
    assert found >= 20
