from dataclasses import replace

import numpy as np
import pytest
from scenarios import differences, small_scenario

from wm_planner.clock import WallClock, nanoseconds
from wm_planner.driving.bridges.messages import (
    Objects,
    ego_state_of,
    map_message,
    objects_message,
    objects_of,
    odometry_message,
    route_message,
    route_of,
    scenario_of,
)
from wm_planner.driving.bridges.recorded_scenarios import recorded_scenarios
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import empty_tracks
from wm_planner.errors import InputError, MessagingError, ScenarioError
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder

EGO_SIZE = (4.5, 1.6)
START_NS = 5_000_000_000


def objects_at(scenario: Scenario, step: int) -> Objects:
    """The agents that are seen at a step."""
    states, valid = scenario.tracks.at(step)
    rows = np.flatnonzero(valid)
    return Objects(
        ids=tuple(scenario.tracks.ids[row] for row in rows),
        kinds=tuple(scenario.tracks.kinds[row] for row in rows),
        sizes=scenario.tracks.sizes[rows],
        states=states[rows],
        forecasts=np.arange(len(rows) * 8.0).reshape(len(rows), 2, 4),
    )


def ego_at(step: int) -> np.ndarray:
    return np.array([2.0 + step, 2.2, 3.1 + 0.05 * step, 8.0])  # turns past pi


def drive_messages(scenario: Scenario, start_ns: int = START_NS):
    """Topic and message of a drive through the scenario's steps from 1 on, where its problem starts."""
    yield "/map", map_message(scenario, EGO_SIZE, start_ns)
    for step in range(1, scenario.tracks.steps):
        stamp = start_ns + (step - 1) * nanoseconds(scenario.dt)
        yield "/objects", objects_message(objects_at(scenario, step), stamp)
        yield "/odom", odometry_message(ego_at(step), 0.5, stamp)


def record(path, messages):
    recorder = Recorder(path, WallClock())
    for sequence, (topic, message) in enumerate(messages, start=1):
        data = bytes(codec.encode(message))
        recorder.write(Delivery(topic, codec.type_of(message), Envelope(sequence, 0, 0, 1, 0), data))
    recorder.close()
    return path


def over_the_wire(topic: str, message: m.Message) -> m.Message:
    return codec.decode(topics.find(topic).type, codec.encode(message))


def test_a_map_carries_all_but_the_agents():
    scenario = small_scenario()
    scenario = replace(scenario, road=replace(scenario.road, areas=(np.eye(3, 2), np.ones((4, 2)))))
    back = scenario_of(over_the_wire("/map", map_message(scenario, EGO_SIZE, 7)))
    assert not list(differences(replace(scenario, tracks=empty_tracks()), back))


def test_objects_survive_the_wire():
    objects = objects_at(small_scenario(), 2)
    assert len(objects.ids) == 2
    assert not list(differences(objects, objects_of(over_the_wire("/objects", objects_message(objects, 7)))))


def test_nobody_survives_the_wire_too():
    empty = Objects((), (), np.empty((0, 2)), np.empty((0, 4)), np.empty((0, 0, 4)))
    assert not list(differences(empty, objects_of(over_the_wire("/objects", objects_message(empty, 7)))))


def test_objects_whose_lengths_disagree_are_refused():
    message = objects_message(objects_at(small_scenario(), 2), 7)
    message.kinds = message.kinds[:1]
    with pytest.raises(MessagingError, match="2 ids, 1 kinds"):
        objects_of(message)


@pytest.mark.parametrize("yaw", [0.0, 1.5, -3.0, 3.1])
def test_the_state_of_the_ego_survives_the_wire(yaw):
    state = np.array([1.0, -2.0, yaw, 9.0])
    back = ego_state_of(over_the_wire("/odom", odometry_message(state, 0.1, 7)))
    assert np.allclose(back, state, atol=1e-12)


def test_a_route_survives_the_wire():
    points = np.array([[0.0, 0.0], [5.0, 1.0], [9.0, 4.0]])
    assert np.array_equal(route_of(over_the_wire("/route", route_message(points, 7))), points)


def test_a_recorded_drive_is_read_back_as_the_scenario_it_was(tmp_path):
    scenario = small_scenario()
    back = read_scenario(record(tmp_path / "a.mcap", drive_messages(scenario)))
    assert not list(differences(scenario, back, apart_from=("tracks", "ego", "repairs")))
    for row, identity in enumerate(scenario.tracks.ids):
        seen = scenario.tracks.valid[row, 1:]
        if not seen.any():
            assert identity not in back.tracks.ids
            continue
        mine = back.tracks.ids.index(identity)
        assert np.array_equal(back.tracks.valid[mine, 1:], seen) and not back.tracks.valid[mine, 0]
        assert np.array_equal(back.tracks.states[mine, 1:], scenario.tracks.states[row, 1:], equal_nan=True)


def test_the_drive_of_the_ego_is_read_back_and_does_not_jump_at_pi(tmp_path):
    back = read_scenario(record(tmp_path / "a.mcap", drive_messages(small_scenario())))
    assert back.ego.valid[0].tolist() == [False, True, True, True]
    turned = [[0, 0, 2 * np.pi, 0]]  # 3.15 is the same as -3.13; what matters is that it goes on from there
    assert np.allclose(back.ego.states[0, 1:] + turned, [ego_at(step) for step in (1, 2, 3)])
    assert back.ego.sizes.tolist() == [list(EGO_SIZE)]


def test_several_drives_are_several_scenarios(tmp_path):
    first, second = small_scenario(), replace(small_scenario(), id="ZAM_Other-1_1_T-1")
    messages = [*drive_messages(first), *drive_messages(second, 2 * START_NS)]
    path = record(tmp_path / "a.mcap", messages)
    assert [scenario.id for scenario in recorded_scenarios(path)] == [first.id, second.id]
    with pytest.raises(ScenarioError, match="holds 2 drives, wanted one"):
        read_scenario(path)


def test_a_map_that_is_said_again_begins_no_new_drive(tmp_path):
    messages = list(drive_messages(small_scenario()))
    again = [messages[0], *messages[:3], messages[0], *messages[3:]]
    assert read_scenario(record(tmp_path / "a.mcap", again)).tracks.steps == 4


def test_a_lost_tick_leaves_a_gap_and_a_note(tmp_path):
    messages = list(drive_messages(small_scenario()))
    del messages[3:5]  # the second tick
    back = read_scenario(record(tmp_path / "a.mcap", messages))
    assert back.ego.valid[0].tolist() == [False, True, False, True]
    assert any("1 of 3 ticks are missing" in note for note in back.repairs)


def test_ticks_at_uneven_times_are_refused(tmp_path):
    messages = list(drive_messages(small_scenario()))
    messages[3][1].header.stamp.nanosec += 35_000_000
    with pytest.raises(
        ScenarioError, match=r"the time step is not constant: a tick 0\.135 s after the first"
    ):
        read_scenario(record(tmp_path / "a.mcap", messages))


def test_a_recording_without_a_map_is_refused(tmp_path):
    path = record(tmp_path / "a.mcap", list(drive_messages(small_scenario()))[1:])
    with pytest.raises(
        ScenarioError, match=r"no drive was recorded: it has \['/objects', '/odom'\], wanted /map"
    ):
        read_scenario(path)


@pytest.mark.parametrize("broken", [{"y": 1e300}, {"x": np.nan, "y": 1e300}, {"w": np.inf}, {"z": 0.1}])
def test_an_orientation_that_is_no_rotation_is_refused(broken):
    message = odometry_message(np.array([1.0, 2.0, 0.5, 3.0]), 0.1, 7)
    for name, value in broken.items():
        setattr(message.pose.pose.orientation, name, value)
    with pytest.raises(InputError, match=r"/odom: the orientation is a quaternion of length \S+, wanted 1"):
        ego_state_of(message)
