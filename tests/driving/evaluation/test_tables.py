"""Tables of driving scores."""

import pytest
from rich.console import Console
from scored_drives import CONDITIONS, drive

from wm_planner.driving.evaluation import tables as t
from wm_planner.driving.evaluation.result_files import read_drives, write_results
from wm_planner.evaluation.statistics import mean


def printed(table, width=80):
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_means_have_a_reproducible_bootstrap_interval():
    average = mean([0.0, 100.0] * 20)
    assert average.value == 50.0
    assert 30.0 < average.low < 40.0 and 60.0 < average.high < 70.0
    assert mean([0.0, 100.0] * 20) == average
    assert mean([7.0])[0] == 7.0
    assert mean([1.0, 1.0, 1.0])[:] == (1.0, 1.0, 1.0)


def test_planners_are_compared_with_the_baseline_in_the_same_drives():
    base = [drive(score, "pdm_closed", scenario=name) for name, score in (("A", 0.9), ("B", 0.5))]
    own = [drive(score, "cem", scenario=name) for name, score in (("A", 0.88), ("B", 0.7), ("C", 0.1))]
    rows = printed(t.baseline_table([*own, *base])).splitlines()
    assert rows[-2].split() == ["cem", "log", "+9.0", "[-2.0,+20.0]", "-2.0", "1/2"]
    assert t.baseline_table(own) is None


def test_a_drive_with_an_error_scores_zero():
    broken = drive(0.0, scenario="B", error="ValueError: x", nuplan={}, pdms={}, epdms={}, conditions={})
    text = printed(t.scores_table("all", [drive(0.9), broken]))
    assert "45.0" in text
    assert "0.0 !" in printed(t.drives_table([drive(0.9), broken]))
    assert list(t.errors([drive(0.9), broken])) == ["error: idm in B, agents log: ValueError: x"]


def test_drives_have_one_column_per_planner_and_failures_are_marked():
    drives = [
        drive(0.912),
        drive(0.5, "cem", collided=True, reached=False),
        drive(0.25, "cem", off_road=True),
    ]
    text = printed(t.drives_table([drives[0], drives[1]]))
    assert "91.2" in text and "50.0 cg" in text
    assert "25.0 r" in printed(t.drives_table(drives[2:]))


def test_the_headings_of_subscores_are_explained():
    text = " ".join(printed(t.subscores_table([drive(0.9)]), 200).split())
    assert "NC no at fault collisions, DAC drivable area" in text and "TTC time to collision" in text


def test_planning_times_are_percentiles_over_all_plans():
    text = printed(t.outcomes_table([drive(0.9), drive(0.9, scenario="B", reached=False)]), 120)
    for figure in ("1/2", "0/2", "10.0", "20.0"):
        assert figure in text


def test_costs_are_those_of_valid_drives():
    invalid = drive(0.1, conditions=CONDITIONS | {"goal": False})
    assert t.costs_table([invalid]) is None
    assert "8" in printed(t.costs_table([invalid, drive(0.9)]), 120)


def test_one_table_leaves_out_scenarios_without_moving_vehicles():
    text = [printed(each) for each in t.tables([drive(1.0), drive(0.0, scenario="B", moving=0)])]
    (moving,) = (each for each in text if "other vehicles move" in each)
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
    for table in t.tables(drives):
        text = printed(table, width)
        assert "…" not in text
        assert isinstance(table, str) or "constant_velocity" in text or "constant" in text
        assert max(map(len, text.splitlines())) <= width


def test_results_can_be_read_back(tmp_path):
    drives = [drive(0.9), drive(0.2, "cem", solution="x.xml")]
    first, second = write_results(tmp_path / "out", drives, {"refused": {"a": "b"}})
    assert read_drives(first) == drives
    assert b'"refused"' in second.read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {first.name, second.name}


def test_the_source_of_the_experts_progress_is_stated():
    note = t.expert_note([drive(1.0), drive(1.0, expert="recorded", human_filter=True)])
    assert "the recorded ego in 1 drives and to IDM on an empty road at the speed limit in 1;" in note
    assert note.endswith("human filter applies to 1")
