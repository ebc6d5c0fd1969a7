"""Pairs of steps with and without an event."""

import numpy as np
import pytest

from wm_planner.bench.measurements.surprise_detection import (
    APPEARS,
    BRAKES,
    Discrimination,
    EventPair,
    _leader,
    _with_appearing_agent,
    _with_braking_leader,
    event_pairs,
)
from wm_planner.driving.birdseye.traffic_model_io import IMAGE
from wm_planner.driving.generation.random_traffic import random_traffic, write_random_traffic
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.world_models.onnx.model import OnnxWorldModel

WITH_LEADER = 6  # a seed with a leader


def pairs(recorded, with_event):
    return [EventPair(APPEARS, a, b) for a, b in zip(recorded, with_event, strict=True)]


def test_the_auc_is_a_half_without_and_one_with_perfect_discrimination():
    assert Discrimination.of(pairs([1.0, 2.0], [1.0, 2.0])).auc == 0.5
    assert Discrimination.of(pairs([1.0, 2.0], [3.0, 4.0])) == (2, 1.0, 1.0, 3.5 / 1.5)
    mixed = Discrimination.of(pairs([1.0, 3.0], [2.0, 4.0]))
    assert (mixed.auc, mixed.paired) == (0.75, 1.0)


@pytest.fixture(scope="module")
def simulator():
    return DrivingSimulator(random_traffic(WITH_LEADER).scenario, DrivingSimulator.Options(picture=IMAGE))


def test_an_agent_appears_at_the_next_step_ahead_on_the_route(simulator):
    changed = _with_appearing_agent(simulator, np.random.default_rng(0)).tracks
    assert not changed.valid[-1, 0] and changed.valid[-1, 1:].all()
    np.testing.assert_array_equal(changed.states[:-1], simulator.scenario.tracks.states)
    position = simulator.drive.line.project(changed.states[-1, 1, :2])
    ego = simulator.drive.line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2])
    assert 5 < float(position.s - ego.s) < 35 and abs(float(position.d)) < 0.1


def test_the_leader_brakes_along_its_recorded_path(simulator):
    row, before = _leader(simulator), simulator.scenario.tracks.states
    after = _with_braking_leader(simulator).tracks.states
    others = [other for other in range(len(before)) if other != row]
    np.testing.assert_array_equal(after[others], before[others])
    np.testing.assert_allclose(after[row, 0], before[row, 0])
    np.testing.assert_allclose(np.diff(after[row, :5, SPEED]), -0.8)
    distance = np.hypot(*np.diff(after[row, :, :2], axis=0).T)
    np.testing.assert_allclose(distance[:5], 0.1 * after[row, 1:6, SPEED], atol=0.1)


def test_a_drive_gives_pairs_with_both_events(tmp_path):
    write_random_traffic(tmp_path / "traffic", range(WITH_LEADER, WITH_LEADER + 1))
    model = OnnxWorldModel.load("models/bundles/drive_bev", device="cpu")
    pairs = list(event_pairs(model, sorted((tmp_path / "traffic").iterdir())))
    assert {pair.event for pair in pairs} == {APPEARS, BRAKES}
    assert all(np.isfinite([pair.recorded, pair.with_event]).all() for pair in pairs)
