"""Events are put into the present, and nothing else changes."""

import numpy as np
import pytest

from wm_planner.bench.measurements.surprise_detection import (
    APPEARS,
    BRAKES,
    Discrimination,
    PairOfMoments,
    _leader,
    _with_another,
    _with_braking,
    moments,
)
from wm_planner.driving.birdseye.traffic_model_io import IMAGE
from wm_planner.driving.generation.random_traffic import random_traffic, write_random_traffic
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.world_models.onnx.model import OnnxWorldModel

LED = 6  # a seed with somebody ahead of the ego


def pairs(usual, unusual):
    return [PairOfMoments(APPEARS, a, b) for a, b in zip(usual, unusual, strict=True)]


def test_the_auc_of_what_tells_nothing_is_a_half_and_of_what_tells_all_one():
    assert Discrimination.of(pairs([1.0, 2.0], [1.0, 2.0])).auc == 0.5
    assert Discrimination.of(pairs([1.0, 2.0], [3.0, 4.0])) == (2, 1.0, 1.0, 3.5 / 1.5)
    mixed = Discrimination.of(pairs([1.0, 3.0], [2.0, 4.0]))
    assert (mixed.auc, mixed.paired) == (0.75, 1.0)


@pytest.fixture(scope="module")
def simulator():
    return DrivingSimulator(random_traffic(LED).scenario, DrivingSimulator.Options(picture=IMAGE))


def test_who_appears_is_there_from_the_next_step_ahead_on_the_route(simulator):
    changed = _with_another(simulator, np.random.default_rng(0)).tracks
    assert not changed.valid[-1, 0] and changed.valid[-1, 1:].all()
    np.testing.assert_array_equal(changed.states[:-1], simulator.scenario.tracks.states)
    at = simulator.drive.line.project(changed.states[-1, 1, :2])
    ego = simulator.drive.line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2])
    assert 5 < float(at.s - ego.s) < 35 and abs(float(at.d)) < 0.1


def test_the_leader_brakes_on_its_own_way(simulator):
    row, before = _leader(simulator), simulator.scenario.tracks.states
    after = _with_braking(simulator).tracks.states
    others = [other for other in range(len(before)) if other != row]
    np.testing.assert_array_equal(after[others], before[others])
    np.testing.assert_allclose(after[row, 0], before[row, 0])
    np.testing.assert_allclose(np.diff(after[row, :5, SPEED]), -0.8)
    way = np.hypot(*np.diff(after[row, :, :2], axis=0).T)
    np.testing.assert_allclose(way[:5], 0.1 * after[row, 1:6, SPEED], atol=0.1)


def test_pairs_of_both_kinds_come_from_a_drive(tmp_path):
    write_random_traffic(tmp_path / "traffic", range(LED, LED + 1))
    model = OnnxWorldModel.load("models/bundles/drive_bev", device="cpu")
    found = list(moments(model, sorted((tmp_path / "traffic").iterdir())))
    assert {pair.event for pair in found} == {APPEARS, BRAKES}
    assert all(np.isfinite([pair.usual, pair.unusual]).all() for pair in found)
