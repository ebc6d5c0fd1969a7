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


def answer(problem: int = 401, **other: object) -> ProblemSolution:
    return ProblemSolution(
        **({"problem": problem, "model": "KS", "vehicle": 2, "cost": "SM1", "states": STATES} | other)
    )


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-9, -123456.789, 5e8, 2.0**-40, 0.0])
def test_a_number_is_written_without_exponent_and_reads_back_the_same(value):
    assert "e" not in decimal(value) and float(decimal(value)) == value


def test_limits_of_speed_become_signs_that_other_readers_know():
    root = etree.fromstring(commonroad_text(small_scenario()))
    sign = next(s for s in root.findall("trafficSign") if s.findtext(".//trafficSignID") == "274")
    assert sign.findtext(".//additionalValue") == "13.9"
    assert sign.get("id") in {ref.get("ref") for ref in root.find("lanelet").findall("trafficSignRef")}


def test_no_two_things_share_an_id():
    ids = [
        element.get("id")
        for element in etree.fromstring(commonroad_text(small_scenario())).iter()
        if element.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_each_point_and_each_state_has_a_line():
    lines = commonroad_text(small_scenario()).decode().splitlines()
    assert any(line.strip() == "<point><x>25.0</x><y>4.0</y></point>" for line in lines)
    assert any(line.strip().startswith("<state><position>") and line.endswith("</state>") for line in lines)


def test_what_the_format_has_no_place_for_is_told(tmp_path):
    scenario = small_scenario()
    ego = replace(
        scenario.tracks,
        ids=(1,),
        kinds=("car",),
        **{n: getattr(scenario.tracks, n)[:1] for n in ("sizes", "states", "valid")},
    )
    rich = replace(scenario, ego=ego, road=replace(scenario.road, areas=(np.eye(3, 2),)))
    lost = write_commonroad(rich, str(tmp_path / "a.xml"))
    assert lost == ("the ego's recorded drive", "1 drivable areas beside the lanes")
    assert not list(differences(scenario, read_scenario(tmp_path / "a.xml"), apart_from=("repairs",)))
    assert write_commonroad(scenario, tmp_path / "b.xml") == ()


def test_text_that_xml_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ScenarioError, match="holds text that XML cannot"):
        write_commonroad(replace(small_scenario(), origin=Origin(author="a\x00b")), tmp_path / "a.xml")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"gone/a\.xml: cannot be written"):
        write_commonroad(small_scenario(), tmp_path / "gone" / "a.xml")


def test_an_agent_with_a_set_keeps_only_its_first_state():
    """CommonRoad lets an agent have a trajectory or a set, not both."""
    scenario = small_scenario()
    both = replace(scenario, occupancies=(Occupancy(101, (Region(1, 2, scenario.obstacles[0].shapes),)),))
    root = etree.fromstring(commonroad_text(both))
    agent = next(o for o in root.findall("dynamicObstacle") if o.get("id") == "101")
    assert agent.find("occupancySet") is not None and agent.find("trajectory") is None


def test_a_solution_has_the_benchmarks_name_and_every_state(tmp_path):
    path = tmp_path / "solution.xml"
    write_solution("ZAM_Small-1_1_T-1", [answer(first_step=3)], path, "2026-11-21T12:00:00", 0.25)
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


def test_answers_to_several_problems_share_a_file(tmp_path):
    path = tmp_path / "solution.xml"
    pm = answer(7, model="PM", vehicle=1, cost="JB1", states=STATES[:, :4])
    write_solution("X", [answer(), pm], path)
    root = etree.parse(path).getroot()
    assert root.get("benchmark_id") == "[KS2,PM1]:[SM1,JB1]:X:2020a"
    assert [child.tag for child in root] == ["ksTrajectory", "pmTrajectory"]
    assert [child.tag for child in root[1][0]] == ["x", "y", "xVelocity", "yVelocity", "time"]


@pytest.mark.parametrize(
    "change, says",
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
def test_an_answer_the_benchmark_would_refuse_is_refused_here(change, says):
    with pytest.raises(ShapeError, match=says):
        answer(**change)


def test_a_problem_is_answered_once(tmp_path):
    for answers in ([], [answer(), answer()]):
        with pytest.raises(ShapeError, match="wanted one each"):
            write_solution("X", answers, tmp_path / "a.xml")
