"""The examples run, are short, and reach what they set out to show."""

import re
import subprocess
import sys

import pytest
from code_blocks import ROOT, environment

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LINES = 60

SHOWS = {
    "compare_drivers": r"idm\s+react\s+\S+\s+0/2",  # no drive of IDM touches anything
    "drive_a_scenario": r"collided: False",
    "drive_in_gymnasium": r"\d+ steps, [1-9]\d+\.\d m of progress",
    "export_a_planner": r"tick 2: cost \d",
    "plan_over_physics": r"the tip of the pole is \d\d?\.\d cm from upright",
    "plan_with_a_bundle": r"step 12: .* [0-4]\.\d cm from the goal",
    "write_a_bundle": r"gives 0\.30 rad/s in one step",
    "write_a_cost": r"lowest height: 0\.12 m without the cost, 0\.1[5-9] m with it",
    "write_a_planner": r"Shrinking\s+1201 evaluations, cost  12\.",  # random shooting 27, CEM 11
}


@pytest.mark.parametrize("example", [pytest.param(file, id=file.stem) for file in EXAMPLES])
def test_an_example_shows_what_it_is_for(example, tmp_path):
    command = [sys.executable, "-W", "error", example]
    how = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **how)
    assert done.returncode == 0, done.stderr
    assert re.search(SHOWS[example.stem], done.stdout), done.stdout


@pytest.mark.parametrize("example", [pytest.param(file, id=file.stem) for file in EXAMPLES])
def test_an_example_is_short_and_says_how_to_run_it(example):
    text = example.read_text()
    assert len(text.splitlines()) <= LINES
    assert f"python examples/{example.name}\n" in text
