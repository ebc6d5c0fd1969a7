"""What drivers see: the same from a simulator as from the messages of its node."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, parked, street

from wm_planner.driving.bridges.messages import map_message, scenario_of
from wm_planner.driving.scenarios.writers.commonroad import write_commonroad
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of


@pytest.fixture
def scenario():
    return street([(30.0, 0, 8.0), (10.0, 1, 12.0)], rows=2, about={"obstacles": (parked(90.0, 6.0),)})


def simulated(scenario):
    return DrivingSimulator(scenario, DrivingSimulator.Options(picture=None))


def test_agents_coast_in_a_forecast_and_what_stands_stays(scenario):
    view = view_of(simulated(scenario))
    forecast = view.forecast(20)
    assert forecast.states.shape == (21, 3, 4)
    moved = forecast.states[-1, :, 0] - forecast.states[0, :, 0]
    np.testing.assert_allclose(moved, [8.0 * 20 * DT, 12.0 * 20 * DT, 0.0])
    assert forecast.kinds == ("car", "car", "parkedVehicle")


def test_a_view_is_that_of_the_simulators_step(scenario):
    simulator = simulated(scenario)
    for _ in range(5):
        simulator.step(np.zeros(2))
    view = view_of(simulator)
    assert view.step == 5
    np.testing.assert_array_equal(view.ego, simulator.now.ego)
    np.testing.assert_allclose(view.agents.states[0, :, 0], [30.0 + 5 * 0.8, 10.0 + 5 * 1.2])


def messages_of(bench, scenario, path, seed=0):
    """A simulator node of the scenario, and what it publishes first."""
    write_commonroad(scenario, path)
    spec = {"type": "traffic", "scenario": str(path), "picture": None}
    made = bench("simulator", simulator=spec, seed=seed)
    return made, dict(made.sent)


def test_the_planner_node_sees_what_the_simulator_shows(scenario, bench, tmp_path):
    second = replace(scenario.problems[0], id=2)
    both = replace(scenario, problems=(scenario.problems[0], second))
    simulator, published = messages_of(bench, both, tmp_path / "street.xml", seed=1)
    made = bench("planner", adapter={"type": "driving"}, planner={"type": "idm"})
    views = []
    made.node.adapter.driver.plan = lambda view: views.append(view) or np.zeros((2, 3))
    for topic in ("/map", "/route", "/odom", "/objects"):
        made.hear(topic, published[topic])
    (seen,), shown = views, view_of(simulator.node.sim)
    assert seen.drive.problem.id == shown.drive.problem.id == 2
    assert seen.drive.goal_s == pytest.approx(shown.drive.goal_s)
    assert seen.drive.road_context.route.lanes == shown.drive.road_context.route.lanes
    assert seen.drive.road_context.route.corridor == shown.drive.road_context.route.corridor
    np.testing.assert_allclose(seen.ego, shown.ego, atol=1e-9)
    np.testing.assert_allclose(seen.forecast(9).states, shown.forecast(9).states, atol=1e-9)


def test_a_map_without_a_problem_is_driven_along_the_route(scenario, bench, tmp_path):
    _, published = messages_of(bench, scenario, tmp_path / "street.xml")
    made = bench("planner", adapter={"type": "driving"}, planner={"type": "idm"})
    views = []
    made.node.adapter.driver.plan = lambda view: views.append(view) or np.zeros((2, 3))
    no_problem = replace(scenario_of(published["/map"]), problems=())
    made.hear("/map", map_message(no_problem, published["/map"].ego_size, 0))
    for topic in ("/route", "/odom", "/objects"):
        made.hear(topic, published[topic])
    assert views[0].drive.goal_s == pytest.approx(views[0].drive.line.length)


def test_who_turns_goes_round_the_bend_and_straight_on_from_there(scenario):
    view = view_of(simulated(scenario))
    forecast = view.forecast(40, np.array([0.4, 0.0]))
    np.testing.assert_allclose(forecast.states[:, 1:], view.forecast(40).states[:, 1:], atol=1e-12)
    yaw = forecast.states[:, 0, 2]
    np.testing.assert_allclose(yaw[:26], 0.4 * DT * np.arange(26))
    np.testing.assert_allclose(yaw[25:], 1.0)
    np.testing.assert_allclose(forecast.states[25, 0, 1], 20.0 * (1 - np.cos(1.0)))  # a circle of 8 / 0.4 m
