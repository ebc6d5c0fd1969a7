import json

import numpy as np
import pytest
from recorded_drives import DT, STEPS, argoverse_files, argoverse_rows

from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.errors import ScenarioError


@pytest.fixture
def scenario(tmp_path):
    return read_scenario(argoverse_files(tmp_path)[0])


def test_the_ego_is_the_track_called_av(scenario):
    assert scenario.tracks.ids == (71, 72) and scenario.tracks.kinds == ("bus", "pedestrian")
    assert scenario.dt == DT and scenario.ego.steps == STEPS
    assert np.allclose(scenario.ego.states[0, -1], (5.0, 0.0, 0.0, 10.0))
    assert np.allclose(scenario.tracks.states[0, :, 3], 5.0)
    assert scenario.tracks.valid[1].sum() == 2
    assert scenario.goal_reached(
        scenario.problems[0].goals[0], scenario.ego.states[0, -1], np.array(STEPS - 1)
    )


def test_lanes_keep_their_edges_and_their_neighbours(scenario):
    lane, after, bike = (scenario.road.lanes[i] for i in (11, 12, 13))
    assert lane.left.tolist() == [[0.0, 1.5], [10.0, 1.5], [20.0, 1.5]]
    assert lane.right.tolist() == [[0.0, -2.0], [10.0, -2.0], [20.0, -2.0]]  # two points in the file
    assert (lane.successors, after.predecessors) == ((12,), (11,))
    assert lane.left_neighbour == (13, True) and after.is_intersection and bike.kinds == {"bicycleLane"}


def test_drivable_areas_of_the_map_are_read(scenario):
    assert len(scenario.road.areas) == 1 and len(scenario.road.drivable) == 4


def test_default_sizes_are_noted(scenario):
    assert any("no sizes" in note for note in scenario.repairs)


def test_a_missing_map_is_named(tmp_path):
    path, road = argoverse_files(tmp_path)
    road.unlink()
    with pytest.raises(ScenarioError, match=r"log_map_archive_0a1b\.json: the scenario's map cannot be read"):
        read_scenario(path)


def test_an_invalid_map_is_refused_with_the_path_of_the_entry(tmp_path):
    path, road = argoverse_files(tmp_path)
    data = json.loads(road.read_text())
    data["lane_segments"]["12"]["left_lane_boundary"][1]["x"] = "far"
    road.write_text(json.dumps(data))
    with pytest.raises(ScenarioError, match=r"Expected `float`, got `str` - at `\$\.lane_segments\[\.\.\.\]"):
        read_scenario(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"heading": None}, r"\['heading'\]"),
        ({"timestep": 99}, "a timestep outside of them"),
        ({"num_timestamps": 0}, "0 time stamps"),
        ({"end_timestamp": 0}, "time step is not constant|wanted"),
        ({"timestep": "first"}, "not a readable Argoverse scenario"),
    ],
)
def test_invalid_columns_are_refused(tmp_path, change, message):
    rows = [row | change for row in argoverse_rows()]
    rows = [{key: value for key, value in row.items() if value is not None} for row in rows]
    with pytest.raises(ScenarioError, match=message):
        read_scenario(argoverse_files(tmp_path, rows)[0])
