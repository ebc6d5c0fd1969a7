import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from recorded_drives import DT, LANE, STEPS, scenarionet_data, scenarionet_file

from wm_planner.driving.scenarios.readers import numpy_pickle, read_scenario
from wm_planner.errors import ScenarioError


@pytest.fixture
def scenario(tmp_path):
    return read_scenario(scenarionet_file(tmp_path))


def changed(tmp_path, *keys_and_value):
    """The file with the value at some keys changed, or removed if the new value is `...`."""
    *keys, last, value = keys_and_value
    data = scenarionet_data()
    at = data
    for key in keys:
        at = at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return scenarionet_file(tmp_path, data)


def test_the_recorded_ego_defines_the_planning_problem(scenario):
    assert scenario.tracks.ids == (71, 72) and scenario.ego.ids == (70,)
    assert scenario.dt == DT and scenario.tracks.steps == STEPS
    (problem,) = scenario.problems
    assert np.allclose(problem.start.state, (0.0, 0.0, 0.0, 10.0), atol=1e-6)
    (goal,) = problem.goals
    assert scenario.goal_reached(goal, scenario.ego.states[0, -1], np.array(STEPS - 1))
    assert not scenario.goal_reached(goal, scenario.ego.states[0, 0], np.array(0))


def test_the_id_defaults_to_the_file_name_and_an_invalid_one_is_refused(tmp_path):
    nameless = changed(tmp_path, "id", ...)
    assert read_scenario(nameless).id == nameless.stem
    with pytest.raises(ScenarioError, match=r"cannot be used: its id is '\.\./x', wanted a plain name"):
        read_scenario(changed(tmp_path, "id", "../x"))


def test_speed_is_along_the_heading_also_for_oncoming_agents(scenario):
    assert np.allclose(scenario.tracks.states[0, :, 3], 5.0)
    assert scenario.tracks.kinds == ("car", "pedestrian")
    assert np.allclose(scenario.tracks.sizes, [[11.0, 2.8], [0.7, 0.7]])
    assert scenario.tracks.valid[1].tolist() == [True, True, False, False, False, False]


def test_lanes_have_edges_at_their_widths_and_references_to_each_other(scenario):
    lane, after, oncoming = (scenario.road.lanes[i] for i in (11, 12, 13))
    assert np.allclose(lane.left, LANE[:, :2] + [[0, 1.5], [0, 1.5], [0, 1.75]])
    assert np.allclose(lane.right, LANE[:, :2] - [0, 2.0])
    assert (lane.speed_limit, lane.successors, after.predecessors) == (10.0, (12,), (11,))
    assert lane.left_neighbour == (13, False) and after.is_intersection and oncoming.kinds == {"highway"}
    assert set(scenario.road.lanes) == {11, 12, 13}


def test_a_light_shows_its_recorded_colours(scenario):
    (light,) = scenario.road.lights.values()
    assert [light.colour(step) for step in range(STEPS)] == ["green"] * 2 + ["red"] * 3 + ["inactive"]
    assert scenario.road.lanes[12].lights == (light.id,) and light.position == (20.0, 0.0)


def test_changes_are_noted(scenario):
    notes = " | ".join(scenario.repairs)
    for expected in (
        "lane 14: no two distinct points",
        "lane 11: no width given: 3.5 m",
        "track 72: no size given",
        "the goal is the end of the recorded drive",
    ):
        assert expected in notes


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_is_read(tmp_path, protocol):
    data = {
        "array": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "words": np.array(["a", "bc"]),
    }
    data |= {
        "number": np.float32(2.5),
        "big": np.arange(3, dtype=">i4"),
        "plain": [1, (2.0, None), {"k": b"v"}],
    }
    read = numpy_pickle.read(scenarionet_file(tmp_path, data, protocol))
    for key in ("array", "flags", "words", "big"):
        assert np.array_equal(read[key], data[key]) and read[key].dtype.kind == data[key].dtype.kind
    assert read["number"] == 2.5 and read["plain"] == data["plain"]


class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.system, eval, print, Path, np.load, np.memmap])
def test_a_pickle_cannot_call_functions(tmp_path, capfd, call):
    path = scenarionet_file(tmp_path, {"tracks": Evil(call, f"{tmp_path}/touched")})
    with pytest.raises(ScenarioError, match=r"it refers to .*; wanted numpy arrays and plain data"):
        read_scenario(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "data, message",
    [
        (np.array([{}, []], object), "an array of"),
        (np.array(["2020-01-01"], "M8[D]"), "an array of type"),
        (np.zeros(2, [("a", "f4")]), "an array of type"),
        (complex(1), "it refers to"),
    ],
)
def test_arrays_of_other_types_than_numbers_and_text_are_refused(tmp_path, data, message):
    with pytest.raises(ScenarioError, match=message):
        numpy_pickle.read(scenarionet_file(tmp_path, data))


def test_an_array_with_too_little_data_for_its_shape_is_refused(tmp_path):
    path = scenarionet_file(tmp_path, np.zeros(7, np.float32), protocol=2)
    path.write_bytes(path.read_bytes().replace(b"K\x07\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(ScenarioError, match="an array of shape"):
        numpy_pickle.read(path)


def test_a_huge_memo_index_takes_no_memory(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04}r\xff\xff\xff\x7f.")
    tracemalloc.start()
    try:
        assert numpy_pickle.read(path) == {}
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


SCALAR = b"cnumpy.core.multiarray\nscalar\n"


@pytest.mark.parametrize(
    "data, message",
    [
        (SCALAR + b"}Vmade\nc_codecs\nencode\nsb.", "it changes a global"),
        (SCALAR + b")R}Vrestored\nc_codecs\nencode\nsb.", "it changes a scalar"),
    ],
)
def test_a_pickle_cannot_change_what_reads_it(tmp_path, data, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=message):
        numpy_pickle.read(path)
    assert numpy_pickle.read(scenarionet_file(tmp_path, np.float32(2.5))) == 2.5


def doubled(levels: int, step: bytes) -> bytes:
    """A pickle of `levels` pairs, both items of each being the pair before: 2 ** levels values."""
    pairs = b"".join(
        b"h" + bytes([n]) + b"h" + bytes([n]) + step + b"q" + bytes([n + 1]) for n in range(levels)
    )
    return b"\x80\x04]q\x00" + pairs


@pytest.mark.parametrize(
    "data, message",
    [
        (doubled(60, b"\x86") + b".", "counted with repeated references"),
        (doubled(60, b"\x86") + b"}h\x3ch\x3cs.", "a key of type tuple"),
        (b"\x80\x04(" + doubled(60, b"\x86")[2:] + b"\x91.", "a key of type list"),
        (SCALAR + doubled(60, b"\x86")[2:] + b"h\x3c\x85R.", "not a readable pickle|wanted numpy arrays"),
    ],
)
def test_values_that_double_at_every_level_are_refused_at_once(tmp_path, data, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=message):
        numpy_pickle.read(path)


def test_keys_that_were_made_to_collide_are_refused(tmp_path):
    data = {n * (2**61 - 1): 0 for n in range(10)}
    with pytest.raises(ScenarioError, match="a key of type int, or beyond 64 bits"):
        numpy_pickle.read(scenarionet_file(tmp_path, data))


def test_references_to_one_array_are_one_array(tmp_path):
    array = np.arange(3.0)
    first, second = numpy_pickle.read(scenarionet_file(tmp_path, [array, array]))
    assert first is second and np.array_equal(first, array)


def test_recursive_data_is_refused(tmp_path):
    recursive: list = []
    recursive.append(recursive)
    with pytest.raises(ScenarioError, match="recursively"):
        numpy_pickle.read(scenarionet_file(tmp_path, recursive))


@pytest.mark.parametrize(
    "change, message",
    [
        (("tracks", ...), "has no 'tracks'"),
        (("map_features", 7), "map_features: got int, wanted a dictionary"),
        (("tracks", "71", "state", "position", np.zeros((STEPS, 1))), "position or velocity has no x and y"),
        (
            ("tracks", "71", "state", "heading", np.zeros(3)),
            rf"tracks\.71: state: heading has shape \(3,\), wanted .*\({STEPS}\)",
        ),
        (
            ("metadata", "ts", np.array([0, 0.1, 0.2, 0.3, 0.4, 0.9])),
            "the time step is not constant: time .* lies",
        ),
        (("metadata", "ts", np.zeros(0)), "wanted 2 or more finite seconds"),
        (("metadata", "ts", "soon"), "metadata: ts is not numeric"),
    ],
)
def test_missing_or_invalid_entries_are_refused_with_their_location(tmp_path, change, message):
    with pytest.raises(ScenarioError, match=message):
        read_scenario(changed(tmp_path, *change))


def test_states_that_are_not_finite_are_treated_as_absent(tmp_path):
    heading = np.array([np.nan, 0, 0, np.inf, 0, 0])
    scenario = read_scenario(changed(tmp_path, "tracks", "71", "state", "heading", heading))
    assert scenario.tracks.valid[0].tolist() == [False, True, True, False, True, True]
    assert "track 71: 2 states are not finite or not plausible: treated as absent" in scenario.repairs


def test_without_an_ego_there_is_no_planning_problem(tmp_path):
    scenario = read_scenario(changed(tmp_path, "metadata", "sdc_id", ...))
    assert scenario.ego is None and not scenario.problems and len(scenario.tracks.ids) == 3
    assert any("no track of the ego" in note for note in scenario.repairs)
