"""Comparison of drives with CommonRoad's tools, which a program of the test replaces."""

import sys
from pathlib import Path

import pytest
from scored_drives import CONDITIONS, drive

from wm_planner.bench.measurements import commonroad_tools as c
from wm_planner.bench.peer_environment import Peer

PROGRAM = """
import os

def check(scenario, solution, names):
    if "crash" in scenario and "on_road" in names:
        os._exit(1)
    return {name: "bad" not in solution for name in names}

def costs(scenario, solution, names):
    print("output of the tools")
    return {name: {"total": 8.0} if name == "JB1" else {"error": "off the lanes"} for name in names}

def drive(scenario, solution, limit_s):
    ended = "goal" if "reached" in scenario else "no plan"
    return {"ended": ended, "cycle_s": [0.1, 0.3]}
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    (tmp_path / "commonroad.py").write_text(PROGRAM)
    monkeypatch.setattr(c, "COMMONROAD", Peer("tools", "1", str(tmp_path / "commonroad.py")))
    with c.CommonRoadTools(Path(sys.executable)) as running:
        yield running


def test_conditions_and_costs_are_compared_per_file(tools):
    drives = [drive(0.9, solution="a.xml"), drive(0.9, scenario="B", solution="bad.xml"), drive(0.9)]
    good, bad = c.compare_solutions(drives, tools)
    assert good.ours == good.theirs == CONDITIONS
    assert not any(bad.theirs.values())
    assert good.differences["JB1"] == 0.0
    assert good.differences["TR1"] is None and good.differences["SA1"] is None
    lines = list(c.disagreements([good, bad]))
    assert len(lines) == 5
    assert lines[0] == "idm, B: start is False, ours True"


def test_a_cost_that_differs_is_reported(tools):
    (comparison,) = c.compare_solutions([drive(0.9, solution="a.xml", commonroad={"JB1": 8.001})], tools)
    assert list(c.disagreements([comparison])) == ["idm, A: JB1 differs by 1.2e-04"]


def test_a_crashed_process_is_restarted(tools):
    drives = [drive(0.9, scenario="crash", solution="a.xml"), drive(0.9, scenario="B", solution="b.xml")]
    crashed, after = c.compare_solutions(drives, tools)
    assert crashed.theirs["on_road"] is None
    assert crashed.theirs["feasible"] is after.theirs["on_road"] is True
    assert not list(c.disagreements([crashed, after]))


def test_drives_of_the_reactive_planner_count_if_its_checker_accepts_them(tools):
    reached, stuck = c.reactive_drives(["reached.xml", "stuck.xml"], tools, 1.0)
    assert (reached.ended, reached.valid) == ("goal", True)
    assert (stuck.ended, stuck.valid) == ("no plan", False)
    last = c.reactive_drives_table([reached, stuck]).columns
    assert [list(column.cells)[-1] for column in last] == ["all", "1/2 goal", "1/2", "4", "200", "300"]
