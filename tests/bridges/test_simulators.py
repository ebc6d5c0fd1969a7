"""Simulators on the bus, and the node programs that drive them by hand."""

import numpy as np
import pytest
from node_bench import envelope
from streets import DT, street
from wm_planner.driving.bridges.adapter import DrivingHost

from wm_planner import share
from wm_planner.bridges.simulators import ArmHost, check, host_of
from wm_planner.clock import nanoseconds
from wm_planner.driving.bridges.messages import (
    command_of,
    drive_message,
    ego_state_of,
    objects_of,
    route_of,
    scenario_of,
)
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.errors import ConfigError, NodeError, PluginError, ScenarioError, ShapeError
from wm_planner.launching.file import node_class
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m
from wm_planner.simulation.scene import Disturbance

TICK = nanoseconds(DT)


def over_the_wire(topic, message):
    kind = topics.find(topic).type
    return codec.decode(kind, codec.encode(message))


@pytest.fixture
def scenario_file(tmp_path):
    path = tmp_path / "street.xml"
    path.write_bytes(commonroad_text(street([(40.0, 0, 5.0), (10.0, 1, 12.0)], rows=2, goal_x=60.0)))
    return str(path)


@pytest.mark.parametrize("command", [(1.5, 0.2), (-3.0, -0.1), (0.0, 0.0)])
def test_a_command_survives_the_wire(command):
    state = np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.05])
    sent = drive_message(state, np.array(command), DT, 7)
    back = command_of(over_the_wire("/drive", sent), state, DT)
    np.testing.assert_allclose(back, command, atol=2e-5)


def test_a_vehicle_that_hears_no_more_keeps_the_speed_it_was_told():
    state = np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.05])
    told = drive_message(state, np.array([2.0, 0.1]), DT, 7)
    reached = np.array([0.0, 0.0, 0.0, 8.2, 2.0, 0.06])
    np.testing.assert_allclose(command_of(told, reached, DT), [0.0, 0.0], atol=2e-5)


def test_a_drive_message_is_ros_2s():
    definition = m.definition("ackermann_msgs/msg/AckermannDriveStamped")
    assert "ackermann_msgs/AckermannDrive drive" in definition
    assert "float32 steering_angle_velocity" in definition


def test_a_rate_of_0_means_as_quickly_as_possible():
    message = drive_message(np.zeros(6), np.zeros(2), DT, 7)
    message.drive.speed, message.drive.steering_angle = 1.0, 0.1
    np.testing.assert_allclose(command_of(message, np.zeros(6), DT), [10.0, 1.0])


def test_a_host_says_map_route_ego_and_others(scenario_file):
    host = host_of(scenario_file, Disturbance(), {"vehicle": "pacifica", "picture": {"size_px": 32}})
    assert isinstance(host, DrivingHost)
    opening = {topic: over_the_wire(topic, message) for topic, message in host.opening(5).items()}
    assert len(scenario_of(opening["/map"]).road.lanes) == 2
    np.testing.assert_allclose(opening["/map"].ego_size, [5.176, 2.297])
    np.testing.assert_allclose(route_of(opening["/route"]), host.simulator.drive.line.points, atol=1e-9)
    observation = host.simulator.step(np.array([1.0, 0.0])).observation
    said = {topic: over_the_wire(topic, message) for topic, message in host.sensors(observation, 9).items()}
    assert {*said, *opening} == set(host.topics)
    assert ego_state_of(said["/odom"])[3] == pytest.approx(host.simulator.now.ego[3])
    assert objects_of(said["/objects"]).ids == (101, 102)
    assert {m.stamp_ns(message) for message in said.values()} == {9}


def test_objects_are_those_who_are_there(scenario_file):
    host = host_of(scenario_file, Disturbance(), {"picture": None})
    simulator = host.simulator
    assert isinstance(simulator, DrivingSimulator)
    for _ in range(100):  # the recording has 100 steps, 99 after the first
        observation = simulator.step(np.zeros(2)).observation
    assert objects_of(host.sensors(observation, 9)["/objects"]).ids == ()


def test_a_python_file_is_an_arms_scene():
    host = host_of("sim/panda_reach.py", Disturbance(), {})
    assert isinstance(host, ArmHost)
    assert host.opening(0) == {}
    host.simulator.close()


def test_what_cannot_be_hosted_is_refused_before_anything_starts(scenario_file, tmp_path):
    (tmp_path / "torn.xml").write_text("<commonRoad")
    with pytest.raises(ScenarioError, match="not valid XML"):
        check(str(tmp_path / "torn.xml"), {})
    check("sim/panda_reach.py", {})
    check(scenario_file, {"agents": {"type": "idm"}})
    with pytest.raises(PluginError, match=r"did you mean 'sim/drive_merge\.xml'"):
        check("sim/drive_merg.xml", {})
    with pytest.raises(ConfigError, match=r"simulator: params.driving: unknown key 'vehicel'"):
        check(scenario_file, {"vehicel": "pacifica"})


def driven(bench, scenario_file, steps, **driving):
    """A simulator and a driver node whose messages are handed over by hand."""
    simulator = bench("simulator", scene=scenario_file, episodes=1, steps=steps, driving=driving)
    driver = bench("driver", planner={"type": "idm"}, speed=12.0)
    return simulator, driver


def hand_over(simulator, driver):
    """One tick: what the simulator said to the driver, and its answer back."""
    said = dict(simulator.sent)
    simulator.sent.clear()
    for topic, take in (("/map", driver.node.on_map), ("/route", driver.node.on_route)):
        if topic in said:
            take(said[topic], envelope())
    driver.node.on_tick({topic: said[topic] for topic in ("/odom", "/objects")}, envelope())
    (command,) = driver.take("/drive")
    simulator.node.on_command(command, envelope())
    return command


def test_a_driver_drives_a_simulated_car_to_its_goal_behind_the_others(bench, scenario_file):
    simulator, driver = driven(bench, scenario_file, steps=90, picture=None)
    while simulator.node.finished is None:
        hand_over(simulator, driver)
    moments = simulator.node.sim.save().moments
    assert len(moments) == 91
    assert simulator.node.sim.reached
    gaps = [m.others.states[0, 0] - m.ego[0] for m in moments]
    assert min(gaps) > 4.5  # the car ahead has 5 m/s
    assert moments[-1].ego[3] == pytest.approx(5.0, abs=0.7)


def test_the_world_stands_still_until_its_tick_is_commanded(bench, scenario_file):
    simulator, driver = driven(bench, scenario_file, steps=9, picture=None)
    command = hand_over(simulator, driver)
    before = simulator.node.sim.now
    simulator.node.on_command(command, envelope())  # the same answer again
    assert simulator.node.sim.now is before
    assert m.stamp_ns(simulator.node.sensors["/odom"]) == TICK


def test_a_drive_over_messages_is_the_one_without(bench, scenario_file):
    """But for float32, in which /drive speaks."""
    simulator, driver = driven(bench, scenario_file, steps=30, picture=None, agents={"type": "idm"})
    commands = []
    while simulator.node.finished is None:
        before = simulator.node.sim.now.ego
        commands.append(command_of(hand_over(simulator, driver), before, DT))
    alone = host_of(scenario_file, Disturbance(), {"picture": None, "agents": {"type": "idm"}}).simulator
    for command in commands:
        alone.step(command)
    np.testing.assert_array_equal(alone.now.ego, simulator.node.sim.now.ego)


def test_a_driver_of_another_vehicle_is_refused(bench, scenario_file):
    simulator = bench("simulator", scene=scenario_file, driving={"vehicle": "pacifica", "picture": None})
    driver = bench("driver")
    with pytest.raises(NodeError, match=r"give the one that is driven \(driver: params.vehicle\)"):
        driver.node.on_map(dict(simulator.sent)["/map"], envelope())


def test_a_driver_says_nothing_before_it_has_a_map_and_a_route(bench, scenario_file):
    simulator, driver = driven(bench, scenario_file, steps=9, picture=None)
    said = dict(simulator.sent)
    driver.node.on_tick({topic: said[topic] for topic in ("/odom", "/objects")}, envelope())
    assert not driver.take("/drive")


def test_a_driver_never_steers_by_what_is_no_plan(bench, scenario_file, monkeypatch):
    simulator, driver = driven(bench, scenario_file, steps=9, picture=None)
    monkeypatch.setattr(driver.node.planner, "plan", lambda view: np.full((41, 3), np.nan))
    with pytest.raises(ShapeError, match="the plan holds 123 numbers that are not finite"):
        hand_over(simulator, driver)
    assert not driver.take("/drive")


def test_an_unknown_planner_is_refused_before_anything_starts(bench):
    kind = node_class(share.find("nodes/driver.py"))
    with pytest.raises(PluginError, match="did you mean 'idm'"):
        kind.check(kind.Params(planner={"type": "idmm"}))
