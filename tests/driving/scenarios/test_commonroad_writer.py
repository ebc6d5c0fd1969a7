from dataclasses import replace

import numpy as np
import pytest
from lxml import etree
from scenarios import differences, small_scenario

from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Origin
from wm_planner.driving.scenarios.tracks import Occupancy, Region
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text, write_commonroad
from wm_planner.driving.scenarios.writers.solution import ProblemSolution, write_solution
from wm_planner.driving.scenarios.writers.xml import decimal
from wm_planner.errors import ScenarioError, ShapeError

STATES = np.array([[0.0, 1.0, 0.01, 8.0, 0.1], [0.8, 1.0, 1e-7, 8.0, -0.1], [1 / 3, 1.1, 0.0, 7.5, 0.0]])


def solution(problem: int = 401, **fields: object) -> ProblemSolution:
    return ProblemSolution(
        **({"problem": problem, "model": "KS", "vehicle": 2, "cost": "SM1", "states": STATES} | fields)
    )


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-9, -123456.789, 5e8, 2.0**-40, 0.0])
def test_a_number_is_written_without_exponent_and_read_back_exactly(value):
    assert "e" not in decimal(value) and float(decimal(value)) == value


def test_speed_limits_become_signs_that_other_readers_know():
    root = etree.fromstring(commonroad_text(small_scenario()))
    sign = next(s for s in root.findall("trafficSign") if s.findtext(".//trafficSignID") == "274")
    assert sign.findtext(".//additionalValue") == "13.9"
    assert sign.get("id") in {ref.get("ref") for ref in root.find("lanelet").findall("trafficSignRef")}


def test_ids_are_unique():
    ids = [
        element.get("id")
        for element in etree.fromstring(commonroad_text(small_scenario())).iter()
        if element.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_every_point_and_every_state_has_its_own_line():
    lines = commonroad_text(small_scenario()).decode().splitlines()
    assert any(line.strip() == "<point><x>25.0</x><y>4.0</y></point>" for line in lines)
    assert any(line.strip().startswith("<state><position>") and line.endswith("</state>") for line in lines)


def test_omitted_content_is_reported(tmp_path):
    scenario = small_scenario()
    ego = replace(
        scenario.tracks,
        ids=(1,),
        kinds=("car",),
        **{n: getattr(scenario.tracks, n)[:1] for n in ("sizes", "states", "valid")},
    )
    rich = replace(scenario, ego=ego, road=replace(scenario.road, areas=(np.eye(3, 2),)))
    omitted = write_commonroad(rich, str(tmp_path / "a.xml"))
    assert omitted == ("the ego's recorded drive", "1 drivable areas other than lanes")
    assert not list(differences(scenario, read_scenario(tmp_path / "a.xml"), apart_from=("repairs",)))
    assert write_commonroad(scenario, tmp_path / "b.xml") == ()


def test_text_that_xml_cannot_represent_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ScenarioError, match="has text that XML cannot represent"):
        write_commonroad(replace(small_scenario(), origin=Origin(author="a\x00b")), tmp_path / "a.xml")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"gone/a\.xml: cannot be written"):
        write_commonroad(small_scenario(), tmp_path / "gone" / "a.xml")


def test_an_agent_with_an_occupancy_set_keeps_only_its_initial_state():
    """In CommonRoad, an agent has a trajectory or an occupancy set, not both."""
    scenario = small_scenario()
    both = replace(scenario, occupancies=(Occupancy(101, (Region(1, 2, scenario.obstacles[0].shapes),)),))
    root = etree.fromstring(commonroad_text(both))
    agent = next(o for o in root.findall("dynamicObstacle") if o.get("id") == "101")
    assert agent.find("occupancySet") is not None and agent.find("trajectory") is None


def test_a_solution_has_the_benchmark_id_and_every_state(tmp_path):
    path = tmp_path / "solution.xml"
    write_solution("ZAM_Small-1_1_T-1", [solution(first_step=3)], path, "2026-11-21T12:00:00", 0.25)
    root = etree.parse(path).getroot()
    assert root.tag == "CommonRoadSolution" and dict(root.attrib) == {
        "benchmark_id": "KS2:SM1:ZAM_Small-1_1_T-1:2020a",
        "date": "2026-11-21T12:00:00",
        "computation_time": "0.25",
    }
    (trajectory,) = root
    assert trajectory.tag == "ksTrajectory" and trajectory.get("planningProblem") == "401"
    assert [state.tag for state in trajectory] == ["ksState"] * 3
    columns = ("x", "y", "steeringAngle", "velocity", "orientation")
    read = [[float(state.findtext(name)) for name in columns] for state in trajectory]
    assert np.array_equal(read, STATES) and [state.findtext("time") for state in trajectory] == [
        "3",
        "4",
        "5",
    ]


def test_solutions_of_several_problems_share_a_file(tmp_path):
    path = tmp_path / "solution.xml"
    pm = solution(7, model="PM", vehicle=1, cost="JB1", states=STATES[:, :4])
    write_solution("X", [solution(), pm], path)
    root = etree.parse(path).getroot()
    assert root.get("benchmark_id") == "[KS2,PM1]:[SM1,JB1]:X:2020a"
    assert [child.tag for child in root] == ["ksTrajectory", "pmTrajectory"]
    assert [child.tag for child in root[1][0]] == ["x", "y", "xVelocity", "yVelocity", "time"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": "KSS"}, "'KSS', did you mean 'KS'"),
        ({"vehicle": 9}, "'9', known: 1, 2, 3, 4"),
        ({"cost": "SM4"}, "'SM4', did you mean 'SM"),
        ({"model": "PM", "states": STATES[:, :4]}, "'SM1', .*known: JB1, MW1, WX1"),
        ({"states": STATES[:, :3]}, r"shape \(3, 3\), wanted \(T, 5\): x, y, steeringAngle"),
        ({"states": STATES * np.nan}, "not finite"),
        ({"states": STATES[:0]}, r"shape \(0, 5\)"),
    ],
)
def test_a_solution_that_the_benchmark_would_refuse_is_refused(change, message):
    with pytest.raises(ShapeError, match=message):
        solution(**change)


def test_every_problem_has_one_solution(tmp_path):
    for solutions in ([], [solution(), solution()]):
        with pytest.raises(ShapeError, match="wanted one per problem"):
            write_solution("X", solutions, tmp_path / "a.xml")
