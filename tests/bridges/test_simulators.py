"""Simulators on the bus, and the node programs that drive them by hand."""

import numpy as np
import pytest
from streets import DT, street

from wm_planner import share
from wm_planner.bridges.simulators import adapter_of, check
from wm_planner.clock import nanoseconds
from wm_planner.driving.bridges.messages import (
    command_of,
    drive_message,
    ego_state_of,
    objects_of,
    route_of,
    scenario_of,
)
from wm_planner.driving.bridges.simulator_adapter import TrafficAdapter
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.errors import ConfigError, InputError, PluginError, ScenarioError
from wm_planner.launching.program_file import node_class
from wm_planner.manipulation.bridges.simulator_adapter import ArmAdapter
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m
from wm_planner.simulation.selection import simulator_spec

TICK = nanoseconds(DT)


def hosted(file, **settings):
    return adapter_of({**simulator_spec(file, "here"), **settings}, "here")


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
    host = hosted(scenario_file, vehicle="pacifica", picture={"size_px": 32})
    assert isinstance(host, TrafficAdapter)
    opening = {topic: over_the_wire(topic, message) for topic, message in host.latched_messages(5).items()}
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
    host = hosted(scenario_file, picture=None)
    simulator = host.simulator
    assert isinstance(simulator, DrivingSimulator)
    for _ in range(100):  # the recording has 100 steps, 99 after the first
        observation = simulator.step(np.zeros(2)).observation
    assert objects_of(host.sensors(observation, 9)["/objects"]).ids == ()


def test_a_python_file_is_an_arms_scene():
    host = hosted("sim/panda_reach.py")
    assert isinstance(host, ArmAdapter)
    assert host.latched_messages(0) == {}
    host.simulator.close()


def test_what_cannot_be_hosted_is_refused_before_anything_starts(scenario_file, tmp_path):
    def checked(given, **settings):
        return check({**simulator_spec(given, "here"), **settings}, "simulator")

    (tmp_path / "torn.xml").write_text("<commonRoad")
    with pytest.raises(ScenarioError, match="not valid XML"):
        checked(str(tmp_path / "torn.xml"))
    assert checked("sim/panda_reach.py") == ()
    checked(scenario_file, agents={"type": "idm"})
    with pytest.raises(PluginError, match=r"did you mean 'sim/drive_merge\.xml'"):
        checked("sim/drive_merg.xml")
    with pytest.raises(ConfigError, match=r"simulator: unknown key 'vehicel'"):
        checked(scenario_file, vehicel="pacifica")


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ("sim/panda_reach.py", {"type": "mujoco", "scene": "sim/panda_reach.py"}),
        ("mujoco,scene=sim/panda_reach.py", {"type": "mujoco", "scene": "sim/panda_reach.py"}),
        ("sim/drive_merge.xml", {"type": "traffic", "scenario": "sim/drive_merge.xml"}),
        ("mine.py:World,size=[1,2]", {"type": "mine.py:World", "size": [1, 2]}),
        ({"type": "traffic", "scenario": "x.xml"}, {"type": "traffic", "scenario": "x.xml"}),
    ],
)
def test_a_simulator_is_named_by_a_file_a_text_or_a_mapping(given, spec):
    assert simulator_spec(given, "here") == spec


@pytest.mark.parametrize("given", ["mujocko,scene=x", "sim/drive_merg.xml"])
def test_a_misspelt_simulator_is_answered_with_the_closest_name(given):
    with pytest.raises(PluginError, match="did you mean"):
        simulator_spec(given, "here")


class Road:
    """A simulator, a planner and a controller whose messages are handed over by hand, in lockstep."""

    def __init__(self, bench, scenario_file, steps, planner="idm", **settings):
        spec = {"type": "traffic", "scenario": scenario_file, **settings}
        self.simulator = bench("simulator", simulator=spec, episodes=1, steps=steps)
        self.planner = bench("planner", adapter={"type": "driving", "speed": 12.0}, planner={"type": planner})
        self.controller = bench("controller", control={"type": "ackermann"})

    def sense(self):
        """Hand what the simulator publishes to planner and controller."""
        published = list(self.simulator.sent)
        self.simulator.sent.clear()
        for topic, message in published:
            self.planner.hear(topic, message)
            self.controller.hear(topic, message)

    def step(self):
        """One tick; the command that ends it."""
        self.sense()
        for topic, message in list(self.planner.sent):
            self.controller.hear(topic, message)
        self.planner.sent.clear()
        (command,) = self.controller.take("/drive")
        self.planner.hear("/drive", command)
        self.simulator.hear("/drive", command)
        return command


def test_a_car_is_driven_to_its_goal_behind_the_others(bench, scenario_file):
    road = Road(bench, scenario_file, steps=90, picture=None)
    node = road.simulator.node
    while node.finished is None:
        road.step()
    moments = node.sim.save().trace
    assert len(moments) == 91
    assert node.sim.reached
    gaps = [m.agents.states[0, 0] - m.ego[0] for m in moments]
    assert min(gaps) > 4.5  # the car ahead has 5 m/s
    assert moments[-1].ego[3] == pytest.approx(5.0, abs=0.7)


def test_the_simulator_waits_for_the_command_of_its_tick(bench, scenario_file):
    road = Road(bench, scenario_file, steps=9, picture=None)
    command = road.step()
    before = road.simulator.node.sim.now
    road.simulator.hear("/drive", command)  # the same answer again
    assert road.simulator.node.sim.now is before
    assert m.stamp_ns(road.simulator.node.sensors["/odom"]) == TICK


def test_a_drive_over_messages_is_the_one_without(bench, scenario_file):
    """Except for float32, the type of /drive."""
    road = Road(bench, scenario_file, steps=30, picture=None, agents={"type": "idm"})
    node, commands = road.simulator.node, []
    while node.finished is None:
        before = node.sim.now.ego
        commands.append(command_of(road.step(), before, DT))
    alone = hosted(scenario_file, picture=None, agents={"type": "idm"}).simulator
    for command in commands:
        alone.step(command)
    np.testing.assert_array_equal(alone.now.ego, node.sim.now.ego)


def test_the_planner_waits_for_the_command_of_its_last_plan(bench, scenario_file):
    """Acceleration and steering are in no odometry: they are known from the command."""
    road = Road(bench, scenario_file, steps=9, picture=None)
    road.sense()
    (first,) = road.planner.take("/plan")
    road.controller.hear("/plan", first)
    (command,) = road.controller.take("/drive")
    road.simulator.hear("/drive", command)
    road.sense()
    assert not road.planner.take("/plan")
    road.planner.hear("/drive", command)
    (second,) = road.planner.take("/plan")
    assert m.stamp_ns(second) == TICK


def test_a_repeated_tick_is_answered_by_the_same_plan(bench, scenario_file):
    """A driver remembers its plans: to plan again would change the drive."""
    road = Road(bench, scenario_file, steps=9, planner="cem", picture=None)
    road.step()
    road.sense()
    (first,) = road.planner.take("/plan")
    road.simulator.node.repeat()
    road.sense()
    (second,) = road.planner.take("/plan")
    np.testing.assert_array_equal(first.actions, second.actions)


def test_the_planner_of_another_vehicle_is_refused(bench, scenario_file):
    road = Road(bench, scenario_file, steps=9, vehicle="pacifica", picture=None)
    with pytest.raises(InputError, match=r"give the one that is driven \(planner: params.adapter.vehicle\)"):
        road.sense()


def test_nothing_is_planned_before_map_and_route_are_known(bench, scenario_file):
    road = Road(bench, scenario_file, steps=9, picture=None)
    for topic, message in road.simulator.sent:
        if topic in ("/odom", "/objects"):
            road.planner.hear(topic, message)
    assert not road.planner.take("/plan")


def test_a_plan_that_is_not_finite_becomes_a_full_stop(bench, scenario_file, monkeypatch):
    road = Road(bench, scenario_file, steps=9, picture=None)
    driver = road.planner.node.adapter.driver
    monkeypatch.setattr(driver, "plan", lambda view: np.full((41, 3), np.nan))
    road.sense()
    (plan,) = road.planner.take("/plan")
    assert plan.fallback and np.isfinite(plan.actions).all()
    road.controller.hear("/plan", plan)
    (command,) = road.controller.take("/drive")
    assert command.drive.speed < road.simulator.node.sim.now.ego[3]


def test_a_car_whose_pose_is_not_finite_brakes_to_a_standstill(bench, scenario_file):
    road = Road(bench, scenario_file, steps=9, picture=None)
    before = road.step()
    lost = next(message for topic, message in road.simulator.sent if topic == "/odom")
    lost.twist.twist.linear.x = np.nan
    road.controller.hear("/odom", lost)
    (command,) = road.controller.take("/drive")
    assert command.drive.speed == 0.0 and command.drive.acceleration > 4.0
    assert command.drive.steering_angle == before.drive.steering_angle
    assert m.stamp_ns(command) == TICK
    obeyed = command_of(command, np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.0]), DT)
    assert obeyed[0] == pytest.approx(-command.drive.acceleration)


def test_the_seed_that_is_told_is_that_of_the_search(bench, scenario_file):
    seeds = {
        "node": {"planner": {"type": "cem"}, "seed": 3},
        "driver": {"planner": {"type": "cem", "seed": 5}},
    }
    told = {}
    for which, params in seeds.items():
        node = bench("planner", adapter={"type": "driving"}, **params).node
        told[which] = (node.adapter.seed, node.adapter.driver.config.seed)
    assert told == {"node": (3, 3), "driver": (5, 5)}


def test_what_the_planner_tells_of_its_search_is_measured(bench, scenario_file):
    told = {}
    for planner in ("idm", "pdm_closed", "cem"):
        road = Road(bench, scenario_file, steps=9, planner=planner, picture=None)
        road.sense()
        (told[planner],) = road.planner.take("/plan_info")
    assert told["idm"].evaluations == 0 and np.isnan(told["idm"].cost)
    assert (told["pdm_closed"].iterations, told["pdm_closed"].evaluations) == (1, 15)
    assert (
        told["cem"].iterations == 2
        and told["cem"].evaluations > 64
        and "driving_score" in told["cem"].term_names
    )
    assert all(info.elapsed_s > 0 for info in told.values())


def test_a_car_without_commands_brakes_after_two_silent_periods(bench, scenario_file):
    spec = {"type": "traffic", "scenario": scenario_file, "picture": None}
    made = bench("simulator", "realtime", simulator=spec, episodes=1, steps=90)
    speeds = []
    for tick in range(1, 80):
        made.clock.set_ns(nanoseconds(100.0) + tick * TICK)
        made.node.catch_up()
        while made.node.started_ns + made.node.slices * nanoseconds(0.02) < made.clock.now_ns():
            made.node.catch_up()
        speeds.append(float(made.node.sim.now.ego[3]))
    assert speeds[0] == speeds[1] > 5.0
    assert speeds[4] < speeds[1]
    assert speeds[-1] == pytest.approx(0.0, abs=1e-6)


def test_an_unknown_driver_is_refused_before_anything_starts():
    kind = node_class(share.find("nodes/planner.py"))
    with pytest.raises(PluginError, match="did you mean 'idm'"):
        kind.check(kind.Params(adapter={"type": "driving"}, planner={"type": "idmm"}))
    with pytest.raises(ConfigError, match="'type' is missing"):
        kind.check(kind.Params(adapter={"type": "driving"}, planner={}))


@pytest.mark.parametrize(
    "setting", [{"world_model": "models/x"}, {"mpc": {"replan_every": 2}}, {"threads": 2}]
)
def test_what_planning_a_drive_cannot_use_is_refused_by_name(setting):
    kind = node_class(share.find("nodes/planner.py"))
    with pytest.raises(ConfigError, match=f"params.{next(iter(setting))}"):
        kind.check(kind.Params(adapter={"type": "driving"}, planner={"type": "idm"}, **setting))
