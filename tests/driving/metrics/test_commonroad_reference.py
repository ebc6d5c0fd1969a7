"""Costs and validity of CommonRoad solutions against CommonRoad's own tools.

They run in the environment that `wm bench commonroad` installs, or in that of `pytest --commonroad PYTHON`.
"""

import numpy as np
import pytest

from wm_planner import share
from wm_planner.bench.measurements.commonroad_tools import CHECKS, COMMONROAD, CommonRoadTools
from wm_planner.bench.peer_environment import python_at
from wm_planner.driving.metrics.commonroad import commonroad_cost
from wm_planner.driving.metrics.commonroad_validity import validity
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.writers.solution import COSTS, ProblemSolution, write_solution
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import BMW_320I

TRIANGULATED = {"drive_cut_in", "drive_pedestrian", "drive_roundabout"}
"""Scenarios whose roads the reference checker can triangulate."""


@pytest.fixture(scope="session")
def tools(request, skip_loudly):
    """CommonRoad's tools in a process of their own."""
    python = request.config.getoption("--commonroad") or python_at(COMMONROAD)
    if not python.is_file():
        skip_loudly(
            "no CommonRoad tools to compare with; `wm bench commonroad` installs them, or give a Python that "
            "has them by --commonroad=PYTHON"
        )
    with CommonRoadTools(python) as running:
        yield running


def recorded_drives(scenario, count):
    """Tracks of agents as solutions, with some steering, shifted 0.3 m ahead of the agents."""
    for row in range(min(count, len(scenario.tracks.ids))):
        steps = np.flatnonzero(scenario.tracks.valid[row])
        x, y, yaw, v = scenario.tracks.states[row, steps].T
        if len(steps) < 20 or len(steps) != steps[-1] - steps[0] + 1:
            continue
        x, y = x + 0.3 * np.cos(yaw), y + 0.3 * np.sin(yaw)
        states = np.stack([x, y, 0.02 * np.sin(steps / 7), v, yaw], axis=1).round(12)
        for cost in COSTS:
            yield ProblemSolution(scenario.problems[0].id, "KS", 2, cost, states, int(steps[0]))


def variants(scenario, solution):
    """An example's solution as the car tracks it, and with increasing lateral offsets."""
    rear = BMW_320I.at_rear_axle(solution)
    first = np.array([*rear[0], 0.0, 0.0])
    driven = Tracker(Tracker.Config(), BMW_320I, scenario.dt).track(first, rear[None, :, :3])[0]
    driven = BMW_320I.at_centre(np.concatenate([first[None], driven]))
    ramp = np.clip(np.arange(len(driven)) / 30, 0, 1)
    for offset in (0.0, -0.4, 0.9, -1.7, 2.6):
        states = driven.copy()
        states[:, 0] -= offset * ramp * np.sin(states[:, 2])
        states[:, 1] += offset * ramp * np.cos(states[:, 2])
        yield ProblemSolution(scenario.problems[0].id, "KS", 2, "SM1", states[:, [0, 1, 5, 3, 2]])


@pytest.mark.slow
def test_costs_equal_those_of_commonroads_tools(tools, shared_data, tmp_path):
    paths = sorted(shared_data("commonroad").glob("*/[ADFUZ]*.xml"))
    paths += [share.find(f"sim/{name}.xml") for name in ("drive_merge", "drive_left_turn")]
    ours, theirs, cases = [], [], []
    for path in paths:
        scenario = read_scenario(path)
        for solution in recorded_drives(scenario, 2):
            file = tmp_path / f"{len(ours)}.xml"
            write_solution(scenario.id, [solution], file)
            ours.append(commonroad_cost(scenario, scenario.problems[0], solution))
            theirs.append(tools.call("costs", scenario=str(path), solution=str(file))[solution.cost])
            cases.append((path, solution.cost))
    compared = [each for each in zip(cases, ours, theirs, strict=True) if "error" not in each[2]]
    assert len(compared) > 0.8 * len(cases) > 100
    for case, cost, reference in compared:
        assert cost.terms == pytest.approx(reference["terms"], rel=1e-6, abs=1e-6), case
        assert cost.total == pytest.approx(reference["total"], rel=1e-6, abs=1e-6), case


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRIANGULATED))
def test_validity_equals_that_of_commonroads_tools(tools, tmp_path, name):
    from wm_planner.driving.generation import EXAMPLES

    path, example = share.find(f"sim/{name}.xml"), EXAMPLES[name]().solution
    scenario = read_scenario(path)
    for number, each in enumerate(variants(scenario, example)):
        solution = tmp_path / f"{number}.xml"
        write_solution(scenario.id, [each], solution)
        reference = tools.call("check", scenario=str(path), solution=str(solution), names=CHECKS)
        assert validity(scenario, scenario.problems[0], each)._asdict() == reference
