"""A driver's view: the same from a simulator as from the messages of its node."""

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
    return street([(30.0, 0, 8.0), (10.0, 1, 12.0)], rows=2, fields={"obstacles": (parked(90.0, 6.0),)})


def simulated(scenario):
    return DrivingSimulator(scenario, DrivingSimulator.Options(picture=None))


def test_a_forecast_moves_agents_at_constant_velocity_and_keeps_static_obstacles(scenario):
    view = view_of(simulated(scenario))
    forecast = view.forecast(20)
    assert forecast.states.shape == (21, 3, 4)
    moved = forecast.states[-1, :, 0] - forecast.states[0, :, 0]
    np.testing.assert_allclose(moved, [8.0 * 20 * DT, 12.0 * 20 * DT, 0.0])
    assert forecast.kinds == ("car", "car", "parkedVehicle")


def test_a_view_is_that_of_the_simulators_current_step(scenario):
    simulator = simulated(scenario)
    for _ in range(5):
        simulator.step(np.zeros(2))
    view = view_of(simulator)
    assert view.step == 5
    np.testing.assert_array_equal(view.ego, simulator.now.ego)
    np.testing.assert_allclose(view.agents.states[0, :, 0], [30.0 + 5 * 0.8, 10.0 + 5 * 1.2])


def messages_of(bench, scenario, path, seed=0):
    """A simulator node of the scenario, and its first messages."""
    write_commonroad(scenario, path)
    spec = {"type": "traffic", "scenario": str(path), "picture": None}
    made = bench("simulator", simulator=spec, seed=seed)
    return made, dict(made.sent)


def test_the_planner_node_has_the_same_view_as_the_simulator(scenario, bench, tmp_path):
    second = replace(scenario.problems[0], id=2)
    both = replace(scenario, problems=(scenario.problems[0], second))
    simulator, published = messages_of(bench, both, tmp_path / "street.xml", seed=1)
    made = bench("planner", adapter={"type": "driving"}, planner={"type": "idm"})
    views = []
    made.node.adapter.driver.plan = lambda view: views.append(view) or np.zeros((2, 3))
    for topic in ("/map", "/route", "/odom", "/objects"):
        made.hear(topic, published[topic])
    (received,), sent = views, view_of(simulator.node.sim)
    assert received.drive.problem.id == sent.drive.problem.id == 2
    assert received.drive.goal_s == pytest.approx(sent.drive.goal_s)
    assert received.drive.road_context.route.lanes == sent.drive.road_context.route.lanes
    assert received.drive.road_context.route.corridor == sent.drive.road_context.route.corridor
    np.testing.assert_allclose(received.ego, sent.ego, atol=1e-9)
    np.testing.assert_allclose(received.forecast(9).states, sent.forecast(9).states, atol=1e-9)


def test_without_a_planning_problem_the_goal_is_the_end_of_the_route(scenario, bench, tmp_path):
    _, published = messages_of(bench, scenario, tmp_path / "street.xml")
    made = bench("planner", adapter={"type": "driving"}, planner={"type": "idm"})
    views = []
    made.node.adapter.driver.plan = lambda view: views.append(view) or np.zeros((2, 3))
    no_problem = replace(scenario_of(published["/map"]), problems=())
    made.hear("/map", map_message(no_problem, published["/map"].ego_size, 0))
    for topic in ("/route", "/odom", "/objects"):
        made.hear(topic, published[topic])
    assert views[0].drive.goal_s == pytest.approx(views[0].drive.line.length)


def test_turning_agents_are_predicted_on_an_arc_and_then_straight(scenario):
    view = view_of(simulated(scenario))
    forecast = view.forecast(40, np.array([0.4, 0.0]))
    np.testing.assert_allclose(forecast.states[:, 1:], view.forecast(40).states[:, 1:], atol=1e-12)
    yaw = forecast.states[:, 0, 2]
    np.testing.assert_allclose(yaw[:26], 0.4 * DT * np.arange(26))
    np.testing.assert_allclose(yaw[25:], 1.0)
    np.testing.assert_allclose(forecast.states[25, 0, 1], 20.0 * (1 - np.cos(1.0)))  # a circle of 8 / 0.4 m
