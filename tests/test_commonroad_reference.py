"""Our figures of CommonRoad solutions beside those of its own tools, where a Python has them.

`pytest --commonroad PYTHON`, whose packages are commonroad-drivability-checker 2025.4, commonroad-io 2024.3,
commonroad-clcs 2025.2 and triangle; they do not install beside ours.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from wm_planner import share
from wm_planner.driving.metrics.commonroad import commonroad_cost
from wm_planner.driving.metrics.commonroad_validity import validity
from wm_planner.driving.readers import read_scenario
from wm_planner.driving.tracker import Tracker
from wm_planner.driving.vehicle import BMW_320I
from wm_planner.driving.writers.solution import COSTS, Answer, write_solution

PROGRAM = Path(__file__).parent / "commonroad_reference.py"
CHECKS = {
    "goal": "goal",
    "start": "start",
    "collision": "no_collision",
    "feasible": "feasible",
    "road": "on_road",
}
TRIANGULATED = {"drive_cut_in", "drive_pedestrian", "drive_roundabout"}
"""Roads that its triangulation survives, which we look at it for."""


@pytest.fixture(scope="session")
def reference(request, skip_loudly):
    """Asks commonroad-drivability-checker about solution files."""
    python = request.config.getoption("--commonroad")
    if python is None:
        skip_loudly("no CommonRoad tools to compare with; give a Python that has them by --commonroad=PYTHON")

    def ask(lines):
        asked = subprocess.run(
            [str(python), str(PROGRAM)], input="\n".join(lines), capture_output=True, text=True, check=True
        )
        said = [line for line in asked.stdout.splitlines() if line.startswith("REFERENCE ")]
        return [json.loads(line.removeprefix("REFERENCE ")) for line in said]

    return ask


def recorded_drives(scenario, count):
    """Drives of agents as answers, with some steering."""
    for row in range(min(count, len(scenario.tracks.ids))):
        steps = np.flatnonzero(scenario.tracks.valid[row])
        x, y, yaw, v = scenario.tracks.states[row, steps].T
        if len(steps) < 20 or len(steps) != steps[-1] - steps[0] + 1:
            continue
        states = np.stack([x, y, 0.02 * np.sin(steps / 7), v, yaw], axis=1).round(12)
        for cost in COSTS:
            yield Answer(scenario.problems[0].id, "KS", 2, cost, states, int(steps[0]))


def variants(scenario, answer):
    """An example's answer as the car drives it, and the same swerving more and more."""
    rear = BMW_320I.at_rear_axle(answer)
    first = np.array([*rear[0], 0.0, 0.0])
    driven = Tracker(Tracker.Config(), BMW_320I, scenario.dt).track(first, rear[None, :, :3])[0]
    driven = BMW_320I.centred(np.concatenate([first[None], driven]))
    ramp = np.clip(np.arange(len(driven)) / 30, 0, 1)
    for aside in (0.0, -0.4, 0.9, -1.7, 2.6):
        states = driven.copy()
        states[:, 0] -= aside * ramp * np.sin(states[:, 2])
        states[:, 1] += aside * ramp * np.cos(states[:, 2])
        yield Answer(scenario.problems[0].id, "KS", 2, "SM1", states[:, [0, 1, 5, 3, 2]])


@pytest.mark.slow
def test_costs_equal_those_of_commonroads_tools(reference, shared_data, tmp_path):
    paths = sorted(shared_data("commonroad").glob("*/[ADFUZ]*.xml"))
    paths += [share.find(f"sim/{name}.xml") for name in ("drive_merge", "drive_left_turn")]
    ours, lines = [], []
    for path in paths:
        scenario = read_scenario(path)
        for answer in recorded_drives(scenario, 2):
            file = tmp_path / f"{len(lines)}.xml"
            write_solution(scenario.id, [answer], file)
            ours.append(commonroad_cost(scenario, scenario.problems[0], answer))
            lines.append(f"{path}\t{file}")
    said = [each["cost"] for each in reference(lines)]
    compared = [(mine, its) for mine, its in zip(ours, said, strict=True) if "error" not in its]
    assert len(compared) > 0.8 * len(lines) > 100
    for mine, its in compared:
        assert mine.total == pytest.approx(its["total"], rel=1e-6, abs=1e-6)
        assert mine.terms == pytest.approx(its["terms"], rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRIANGULATED))
def test_verdicts_are_those_of_commonroads_tools(reference, tmp_path, name):
    from wm_planner.driving.examples import EXAMPLES

    path, answer = share.find(f"sim/{name}.xml"), EXAMPLES[name]().answer
    scenario = read_scenario(path)
    answers = list(variants(scenario, answer))
    lines = []
    for number, each in enumerate(answers):
        write_solution(scenario.id, [each], tmp_path / f"{number}.xml")
        lines.append("\t".join([str(path), str(tmp_path / f"{number}.xml"), *CHECKS]))
    for each, said in zip(answers, reference(lines), strict=True):
        mine = validity(scenario, scenario.problems[0], each)
        assert {check: getattr(mine, ours) for check, ours in CHECKS.items()} == {
            check: said[check] for check in CHECKS
        }
