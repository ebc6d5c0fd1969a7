"""Tables of drives: means, intervals, who counts how."""

import pytest
from rich.console import Console
from scored_drives import CONDITIONS, drive

from wm_planner.driving.evaluation import tables as t
from wm_planner.driving.evaluation.result_files import read_drives, write_results
from wm_planner.evaluation.statistics import mean


def shown(made, width=80):
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as said:
        console.print(made)
    return said.get()


def test_means_stand_in_a_bootstrap_interval():
    found = mean([0.0, 100.0] * 20)
    assert found.value == 50.0
    assert 30.0 < found.low < 40.0 and 60.0 < found.high < 70.0
    assert mean([0.0, 100.0] * 20) == found
    assert mean([7.0])[0] == 7.0
    assert mean([1.0, 1.0, 1.0])[:] == (1.0, 1.0, 1.0)


def test_planners_stand_beside_the_one_of_rules_drive_by_drive():
    base = [drive(score, "pdm_closed", scenario=name) for name, score in (("A", 0.9), ("B", 0.5))]
    own = [drive(score, "cem", scenario=name) for name, score in (("A", 0.88), ("B", 0.7), ("C", 0.1))]
    rows = shown(t.beside_table([*own, *base])).splitlines()
    assert rows[-2].split() == ["cem", "log", "+9.0", "[-2.0,+20.0]", "-2.0", "1/2"]
    assert t.beside_table(own) is None


def test_a_drive_that_raised_counts_as_nothing():
    broken = drive(0.0, scenario="B", error="ValueError: x", nuplan={}, pdms={}, epdms={}, conditions={})
    said = shown(t.scores_table("all", [drive(0.9), broken]))
    assert "45.0" in said
    assert "0.0 !" in shown(t.drives_table([drive(0.9), broken]))
    assert list(t.raised([drive(0.9), broken])) == ["raised: idm in B, others log: ValueError: x"]


def test_planners_stand_side_by_side_and_failures_are_marked():
    drives = [
        drive(0.912),
        drive(0.5, "cem", collided=True, reached=False),
        drive(0.25, "cem", off_road=True),
    ]
    said = shown(t.drives_table([drives[0], drives[1]]))
    assert "91.2" in said and "50.0 cg" in said
    assert "25.0 r" in shown(t.drives_table(drives[2:]))


def test_the_heads_of_the_parts_are_explained():
    said = " ".join(shown(t.parts_table([drive(0.9)]), 200).split())
    assert "fault no at fault collisions, road drivable area" in said and "ttc time to collision" in said


def test_times_are_percentiles_over_all_plans():
    said = shown(t.outcomes_table([drive(0.9), drive(0.9, scenario="B", reached=False)]), 120)
    for figure in ("1/2", "0/2", "10.0", "20.0"):
        assert figure in said


def test_the_costs_are_of_valid_drives():
    invalid = drive(0.1, conditions=CONDITIONS | {"goal": False})
    assert t.costs_table([invalid]) is None
    assert "8" in shown(t.costs_table([invalid, drive(0.9)]), 120)


def test_scenarios_in_which_nobody_moves_are_left_out_of_one_table():
    said = [shown(each) for each in t.tables([drive(1.0), drive(0.0, scenario="B", moving=0)])]
    (moving,) = (each for each in said if "other vehicles move" in each)
    assert "100.0" in moving and "50.0" not in moving
    assert any("move in all of these" in each for each in t.tables([drive(1.0)]) if isinstance(each, str))


@pytest.mark.parametrize("width", [80, 120])
def test_no_table_is_wider_than_the_terminal(width):
    drives = [
        drive(0.912, planner, agents, f"USA_US101-{n}_1_T-1")
        for planner in ("constant_velocity", "idm", "frenet", "pdm_closed", "cem", "mppi")
        for agents in ("replay", "idm")
        for n in range(3)
    ]
    for made in t.tables(drives):
        said = shown(made, width)
        assert "…" not in said
        assert isinstance(made, str) or "constant_velocity" in said or "constant" in said
        assert max(map(len, said.splitlines())) <= width


def test_results_are_read_back_as_they_were(tmp_path):
    drives = [drive(0.9), drive(0.2, "cem", solution="x.xml")]
    first, second = write_results(tmp_path / "out", drives, {"refused": {"a": "b"}})
    assert read_drives(first) == drives
    assert b'"refused"' in second.read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {first.name, second.name}


def test_it_is_told_whose_progress_was_wanted():
    told = t.measure_of_progress([drive(1.0), drive(1.0, expert="recorded", human_filter=True)])
    assert "of the recorded ego in 1 drives, of IDM alone on the empty road at the limit in 1;" in told
    assert told.endswith("human filter is on in 1")
