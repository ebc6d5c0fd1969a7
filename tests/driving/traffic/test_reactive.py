"""Reactive agents on straight streets."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, LIMIT, WIDTH, cars, parked, street

from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    drive_along,
    lane,
)
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.driving.traffic.agents import AGENTS, ReplayAgents
from wm_planner.driving.traffic.car_following import MOBIL
from wm_planner.driving.traffic.reactive import ReactiveAgents
from wm_planner.errors import ConfigError

AWAY = np.array([-1000.0, 500.0, 0.0, 4.5, 1.8, 0.0])  # an ego far from the traffic


def simulated(scenario, steps=100, ego=AWAY, **config):
    """States (A, steps + 1, 4) of reactive agents with a stationary ego."""
    agents = ReactiveAgents(ReactiveAgents.Config(**config), scenario)
    now = agents.initial_state(0)
    states = [now.states]
    for _ in range(steps):
        now = agents.next_state(now, ego)
        states.append(now.states)
    return np.stack(states, axis=1)


def stationary_ego(x, y=0.0):
    return np.array([x, y, 0.0, 4.5, 1.8, 0.0])


def test_a_free_car_keeps_to_its_recorded_speed():
    states = simulated(street([(10.0, 0, 12.0)]), steps=80)
    np.testing.assert_allclose(states[0, :, 3], 12.0, atol=0.01)
    assert states[0, -1, 0] == pytest.approx(10.0 + 12.0 * 80 * DT, abs=0.1)


def test_a_car_that_was_recorded_slow_drives_at_ten_metres_per_second():
    assert simulated(street([(10.0, 0, 4.0)]), steps=150)[0, -1, 3] == pytest.approx(10.0, abs=0.3)


def test_the_speed_limit_is_kept():
    assert simulated(street([(10.0, 0, 20.0)]), steps=100)[0, -1, 3] == pytest.approx(LIMIT, abs=0.3)


def test_a_car_stops_behind_a_stationary_ego():
    states = simulated(street([(0.0, 0, 12.0)]), ego=stationary_ego(80.0), steps=150)
    assert states[0, -1, 3] < 0.1
    gap = 80.0 - 4.5 - states[0, -1, 0]
    assert 0.5 < gap < 2.5  # the model's gap at standstill is 1 m


def test_a_car_stops_behind_a_parked_car():
    scenario = street([(0.0, 0, 12.0)], fields={"obstacles": (parked(80.0),)})
    assert simulated(scenario, steps=150)[0, -1, 0] < 80.0 - 4.5


def test_a_car_does_not_stop_for_an_ego_on_another_lane():
    scenario = street([(0.0, 0, 12.0)], rows=2)
    assert simulated(scenario, ego=stationary_ego(80.0, WIDTH))[0, -1, 0] > 100.0


def test_a_queue_stops_without_contact():
    scenario = street([(50.0, 0, 3.0), (20.0, 0, 14.0), (0.0, 0, 14.0)])
    states = simulated(scenario, ego=stationary_ego(110.0), steps=200)
    b = oriented_boxes(states, scenario.tracks.sizes[:, None])
    assert not any(overlap(b[i], b[j]).any() for i, j in ((0, 1), (1, 2), (0, 2)))
    assert (np.diff(states[:, -1, 0]) < -5.0).all()


def test_cars_stop_at_red_and_go_at_green():
    scenario = street([(0.0, 0, 10.0)], light=(("red", 120), ("green", 200)))
    states = simulated(scenario, steps=200)
    assert states[0, 119, 3] < 0.2
    assert 55.0 < states[0, 119, 0] + 2.25 < 60.0
    assert states[0, -1, 0] > 70.0


def test_a_car_that_cannot_stop_passes_a_yellow_light():
    scenario = street([(50.0, 0, 10.0)], light=(("yellow", 300),))
    assert simulated(scenario, steps=50)[0, -1, 0] > 80.0


def test_pedestrians_and_parked_cars_replay_the_recording():
    scenario = street([(20.0, 0, 1.5, "pedestrian"), (40.0, 1, 0.0)], rows=2)
    states = simulated(scenario, steps=90)
    np.testing.assert_array_equal(states[:, :91], scenario.tracks.states[:, :91])


def test_a_car_enters_at_its_first_step_if_its_place_is_free():
    scenario = street([(30.0, 0, 5.0), (30.0, 1, 5.0)], rows=2)
    late = scenario.tracks.valid.copy()
    late[:, :20] = False
    tracks = scenario.tracks
    scenario = replace(scenario, tracks=Tracks(tracks.ids, tracks.kinds, tracks.sizes, tracks.states, late))
    blocked = tracks.states[1, 20]
    states = simulated(scenario, ego=stationary_ego(blocked[0] + 1.0, blocked[1]), steps=40)
    assert np.isnan(states[:, :20]).all()
    assert np.isfinite(states[0, 20:]).all()
    assert np.isnan(states[1]).all()


def test_a_car_continues_after_its_recording_and_leaves_at_the_end_of_its_lane():
    states = simulated(street([(0.0, 0, 14.0)], steps=10, length=200.0), steps=200)
    x = states[0, :, 0]
    assert np.nanmax(x) > 195.0
    assert np.isnan(x[-1])


def test_cars_slow_down_in_bends():
    course = Course(Pose(0.0, 0.0, 0.0)).straight(60.0).arc(np.pi, 12.0).straight(100.0)
    road = Road({1: lane(1, course, speed_limit=LIMIT)})
    tracks = cars([(0.0, 0, 1.0)], 60)
    seen = drive_along(course, [(0, 14.0)], 60, DT)[None]
    tracks = Tracks(tracks.ids, tracks.kinds, tracks.sizes, seen, tracks.valid)
    scenario = replace(street(), road=road, tracks=tracks)
    states = simulated(scenario, steps=100)
    in_bend = (states[0, :, 2] > 0.2) & (states[0, :, 2] < np.pi - 0.2)
    assert in_bend.sum() > 20
    lateral = states[0, in_bend, 3] ** 2 / 12.0
    assert lateral.max() < 1.5 * 3.0  # m/s^2, the target; the IDM approaches it from above
    assert np.median(lateral) == pytest.approx(3.0, abs=0.4)


def test_with_lane_changes_a_car_overtakes_a_slow_one():
    scenario = street([(0.0, 0, 14.0), (40.0, 0, 3.0)], rows=2, steps=300)
    slow = replace(scenario, tracks=cars([(0.0, 0, 14.0), (40.0, 0, 3.0, "bicycle")], 300))
    stays = simulated(slow, steps=200)
    passes = simulated(slow, steps=200, lane_changes=MOBIL())
    assert np.abs(stays[0, :, 1]).max() < 0.1
    assert stays[0, -1, 0] < stays[1, -1, 0]
    assert passes[0, :, 1].max() == pytest.approx(WIDTH, abs=0.1)
    assert passes[0, -1, 0] > passes[1, -1, 0] + 20.0
    assert np.abs(np.diff(passes[0, :, 1])).max() <= 1.2 * DT + 1e-9


def test_no_car_changes_lanes_into_an_adjacent_car():
    agents = [(0.0, 0, 14.0), (40.0, 0, 3.0, "bicycle"), (-3.0, 1, 14.0), (-12.0, 1, 14.0), (5.0, 1, 14.0)]
    scenario = street(agents, rows=2, steps=300)
    states = simulated(scenario, steps=60, lane_changes=MOBIL())
    b = oriented_boxes(states, scenario.tracks.sizes[:, None])
    assert not any(overlap(b[0], b[j]).any() for j in range(1, 5))


def test_the_simulation_can_return_to_an_earlier_state():
    agents = ReactiveAgents(
        ReactiveAgents.Config(lane_changes=MOBIL()), street([(0.0, 0, 14.0), (40.0, 0, 3.0)], rows=2)
    )
    kept = agents.initial_state(0)
    first = agents.next_state(kept, AWAY).states.copy()
    agents.next_state(agents.next_state(kept, stationary_ego(20.0)), AWAY)
    np.testing.assert_array_equal(agents.next_state(kept, AWAY).states, first)


def test_traffic_agents_are_plug_ins():
    scenario = street([(0.0, 0, 14.0)])
    assert isinstance(AGENTS.build({"type": "replay"}, "here", scenario=scenario), ReplayAgents)
    reacting = AGENTS.build({"type": "idm", "idm": {"headway": 2.0}}, "here", scenario=scenario)
    assert reacting.config.idm.headway == 2.0
    with pytest.raises(ConfigError, match=r"here.*unknown key 'headwya'"):
        AGENTS.build({"type": "idm", "headwya": 2.0}, "here", scenario=scenario)


def test_replayed_agents_are_absent_after_their_recording():
    scenario = street([(0.0, 0, 14.0)], steps=3)
    agents = ReplayAgents(ReplayAgents.Config(), scenario)
    now = agents.initial_state(1)
    np.testing.assert_array_equal(now.states, scenario.tracks.states[:, 1])
    now = agents.next_state(agents.next_state(now, AWAY), AWAY)
    assert now.step == 3
    assert np.isnan(now.states).all()
