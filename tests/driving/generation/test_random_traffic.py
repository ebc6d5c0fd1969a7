"""Scenarios drawn at random are sane: one can drive in them, and no two are alike."""

import numpy as np
import pytest

from wm_planner.driving.drive import Drive
from wm_planner.driving.generation.random_traffic import random_traffic, write_random_traffic
from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import DatasetError

SEEDS = (0, 1, 2, 4, 1000230)  # two streets, lanes beside each other, a crossing; one drives off its map
MADE = {seed: random_traffic(seed) for seed in SEEDS}

every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_seed
def test_the_answer_reaches_the_goal_on_the_road(seed):
    example = MADE[seed]
    steps = len(example.solution)
    states = np.column_stack([example.solution, np.zeros((steps, 2))])
    drive = Drive(example.scenario, BMW_320I)
    agents = np.stack([example.scenario.tracks.at(step)[0] for step in range(steps)])
    verdict = drive.evaluate(BMW_320I.at_rear_axle(states)[None], agents, 0)
    assert verdict.off_road == steps
    assert verdict.arrived < steps


@every_seed
def test_nobody_starts_within_somebody_else(seed):
    example = MADE[seed]
    now = oriented_boxes(example.scenario.tracks.at(0)[0], example.scenario.tracks.sizes)
    everybody = np.concatenate([now[np.isfinite(now[:, 0])], [[*example.solution[0, :3], 4.5, 1.8]]])
    rows, others = np.triu_indices(len(everybody), k=1)
    assert not overlap(everybody[rows], everybody[others]).any()


@every_seed
def test_vehicles_move_as_fast_as_they_say(seed):
    tracks = MADE[seed].scenario.tracks
    cars = [row for row, kind in enumerate(tracks.kinds) if kind != "pedestrian"]
    states = tracks.states[cars]
    way = np.hypot(*np.moveaxis(np.diff(states[..., :2], axis=1), -1, 0)) / 0.1
    mean = 0.5 * (states[:, 1:, 3] + states[:, :-1, 3])
    off = np.abs(way - mean)[np.isfinite(way)]
    assert np.quantile(off, 0.99) < 1.5  # who changes lanes is faster than along its lane


def test_some_brake_hard_for_no_reason():
    pulls = np.concatenate(
        [np.diff(made.scenario.tracks.states[..., 3], axis=1).ravel() for made in MADE.values()]
    )
    assert np.nanmin(pulls) / 0.1 < -3.0


def test_a_seed_is_always_the_same_and_no_other():
    again = random_traffic(2).scenario
    np.testing.assert_array_equal(again.tracks.states, MADE[2].scenario.tracks.states)
    assert len({made.scenario.id for made in MADE.values()}) == len(SEEDS)
    assert len({len(made.scenario.tracks.ids) for made in MADE.values()}) > 1


def test_files_are_read_back_as_they_were_drawn(tmp_path):
    done = []
    write_random_traffic(tmp_path / "traffic", range(4, 6), done.append)
    files = sorted((tmp_path / "traffic").iterdir())
    assert [file.name for file in files] == ["traffic_0000004.xml", "traffic_0000005.xml"]
    assert done == [1, 2]
    read = read_scenario(files[0])
    assert read.repairs == ()
    np.testing.assert_allclose(read.tracks.states, MADE[4].scenario.tracks.states)


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    with pytest.raises(DatasetError, match="exists already"):
        write_random_traffic(tmp_path, range(1))


def test_what_was_interrupted_leaves_nothing(tmp_path):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_random_traffic(tmp_path / "traffic", range(3, 5), stop)
    assert not list(tmp_path.iterdir())
