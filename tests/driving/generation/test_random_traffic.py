"""Random scenarios are consistent and solvable, and differ from each other."""

import numpy as np
import pytest

from wm_planner.driving.drive import Drive
from wm_planner.driving.generation.random_traffic import random_traffic, write_random_traffic
from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import DatasetError

SEEDS = (0, 1, 2, 4, 1000230)  # two-way, one-way, an intersection; in the last one the ego leaves the map
GENERATED = {seed: random_traffic(seed) for seed in SEEDS}

every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_seed
def test_the_solution_reaches_the_goal_on_the_road(seed):
    example = GENERATED[seed]
    steps = len(example.solution)
    states = np.column_stack([example.solution, np.zeros((steps, 2))])
    drive = Drive(example.scenario, BMW_320I)
    agents = np.stack([example.scenario.tracks.at(step)[0] for step in range(steps)])
    outcome = drive.evaluate(BMW_320I.at_rear_axle(states)[None], agents, 0)
    assert outcome.off_road == steps
    assert outcome.arrived < steps


@every_seed
def test_no_vehicles_overlap_at_the_start(seed):
    example = GENERATED[seed]
    agents = oriented_boxes(example.scenario.tracks.at(0)[0], example.scenario.tracks.sizes)
    boxes = np.concatenate([agents[np.isfinite(agents[:, 0])], [[*example.solution[0, :3], 4.5, 1.8]]])
    first, second = np.triu_indices(len(boxes), k=1)
    assert not overlap(boxes[first], boxes[second]).any()


@every_seed
def test_speeds_agree_with_positions(seed):
    tracks = GENERATED[seed].scenario.tracks
    cars = [row for row, kind in enumerate(tracks.kinds) if kind != "pedestrian"]
    states = tracks.states[cars]
    speed = np.hypot(*np.moveaxis(np.diff(states[..., :2], axis=1), -1, 0)) / 0.1
    mean = 0.5 * (states[:, 1:, 3] + states[:, :-1, 3])
    off = np.abs(speed - mean)[np.isfinite(speed)]
    assert np.quantile(off, 0.99) < 1.5  # lane changes add a lateral speed


def test_some_vehicles_brake_hard():
    changes = np.concatenate(
        [np.diff(made.scenario.tracks.states[..., 3], axis=1).ravel() for made in GENERATED.values()]
    )
    assert np.nanmin(changes) / 0.1 < -3.0


def test_a_seed_is_reproducible_and_differs_from_others():
    again = random_traffic(2).scenario
    np.testing.assert_array_equal(again.tracks.states, GENERATED[2].scenario.tracks.states)
    assert len({made.scenario.id for made in GENERATED.values()}) == len(SEEDS)
    assert len({len(made.scenario.tracks.ids) for made in GENERATED.values()}) > 1


def test_written_files_are_read_back(tmp_path):
    done = []
    write_random_traffic(tmp_path / "traffic", range(4, 6), done.append)
    files = sorted((tmp_path / "traffic").iterdir())
    assert [file.name for file in files] == ["traffic_0000004.xml", "traffic_0000005.xml"]
    assert done == [1, 2]
    read = read_scenario(files[0])
    assert read.repairs == ()
    np.testing.assert_allclose(read.tracks.states, GENERATED[4].scenario.tracks.states)


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="exists already"):
        write_random_traffic(tmp_path, range(1))


def test_an_interruption_leaves_no_files(tmp_path):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_random_traffic(tmp_path / "traffic", range(3, 5), stop)
    assert not list(tmp_path.iterdir())
