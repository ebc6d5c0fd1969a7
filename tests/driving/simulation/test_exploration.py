"""Exploration of traffic scenarios to collect data sets."""

import numpy as np
import pytest

from wm_planner.collection import CollectConfig, collect
from wm_planner.data.episodes import EpisodeData
from wm_planner.driving.birdseye.traffic_model_io import (
    ACTION,
    STEP_S,
    actions_from_states,
    steps_per_action,
)
from wm_planner.driving.generation.random_traffic import write_random_traffic
from wm_planner.driving.simulation.exploration import MAX_LEAD_GAP_M, TrafficExplorer
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import ConfigError, SimulationError

STEPS = 6


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenarios") / "traffic"
    write_random_traffic(folder, range(2, 4))
    return folder


@pytest.fixture(scope="module")
def data(scenarios, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "drives"
    meta = collect(CollectConfig(scene=str(scenarios), episodes=8, steps=STEPS, jobs=1), folder)
    data = EpisodeData.open(folder)
    assert meta == data.meta
    return data


def test_a_data_set_holds_birds_eye_images_and_actions_within_bounds(data):
    assert data.images.shape == (8 * (STEPS + 1), 1, 64, 64, 3)
    assert data.meta.cameras == ("birdseye",)
    assert data.meta.control_dt_s == STEP_S
    assert (np.abs(data.action) <= ACTION.high).all()
    assert data.action[:, 0].std() > 0.3
    assert data.meta.rejected == {"lost": data.meta.seeds_tried - 8}


def test_actions_lead_from_one_frame_to_the_next(data):
    starts = data.clip_starts(2)
    speed, heading = (data.quantity(name)[:, 0] for name in ("speed", "heading"))
    np.testing.assert_allclose(speed[starts + 1] - speed[starts], STEP_S * data.action[starts, 0], atol=1e-4)
    distance = 0.5 * (speed[starts] + speed[starts + 1]) * STEP_S
    turned = heading[starts + 1] - heading[starts]
    np.testing.assert_allclose(turned, data.action[starts, 1] * distance, atol=0.02)
    np.testing.assert_array_equal(data.action[STEPS :: STEPS + 1], 0)


def test_the_driver_does_not_reverse_and_gaps_are_within_view(data):
    assert data.quantity("speed").min() > -0.3
    gap = data.quantity("lead_gap")
    assert gap.min() >= 0 and gap.max() <= MAX_LEAD_GAP_M


def test_episodes_of_one_scenario_differ(data):
    speeds = data.quantity("speed").reshape(8, STEPS + 1)
    assert len(np.unique(speeds[:4, -1].round(3))) == 4
    np.testing.assert_allclose(speeds[:4, 0], speeds[0, 0])


def test_the_same_seed_gives_the_same_episode(scenarios):
    first, second = (
        TrafficExplorer(TrafficExplorer.Config(scenario=str(scenarios))).episode(7, 3) for _ in range(2)
    )
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.action, second.action)


def test_an_episode_longer_than_the_scenario_is_refused_with_its_length(scenarios):
    with pytest.raises(SimulationError, match=r"has 37 steps of 0.4 s, wanted 38: collect with --steps 37"):
        TrafficExplorer(TrafficExplorer.Config(scenario=str(scenarios))).episode(0, 38)


def test_an_empty_folder_is_refused_with_a_hint(tmp_path):
    with pytest.raises(SimulationError, match="wm scenarios"):
        TrafficExplorer(TrafficExplorer.Config(scenario=str(tmp_path)))


def test_actions_are_means_over_one_step_of_the_model():
    commands = np.zeros((8, 2))
    commands[:4, 0], commands[4:, 1] = 1.0, 0.1
    start = np.array([0.0, 0.0, 0.0, 10.0, 0.0, 0.0])
    states = np.concatenate([start[None], BMW_320I.rollout(start, commands, 0.1)])
    actions = actions_from_states(states, BMW_320I, 0.1)
    np.testing.assert_allclose(actions[0], [1.0, 0.0], atol=1e-6)
    steering = np.arange(5) * 0.01
    curvature = np.tan(steering) / BMW_320I.wheelbase_m
    np.testing.assert_allclose(actions[1], [0.0, np.mean(0.5 * (curvature[1:] + curvature[:-1]))], atol=1e-6)


def test_a_scenario_with_an_incompatible_time_step_is_refused():
    assert steps_per_action(0.1) == 4
    with pytest.raises(ConfigError, match=r"a step of a scenario is 0.3 s, wanted one that divides 0.4 s"):
        steps_per_action(0.3)
