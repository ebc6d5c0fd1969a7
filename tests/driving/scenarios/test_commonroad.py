from dataclasses import replace

import numpy as np
import pytest
from scenarios import differences, small_scenario

from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.readers.commonroad import parse_commonroad
from wm_planner.driving.scenarios.readers.commonroad_states import State, enclosing_rectangle
from wm_planner.driving.scenarios.readers.xml import MAX_BYTES, MAX_POINTS
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text
from wm_planner.errors import ScenarioError

TEXT = commonroad_text(small_scenario()).decode()

DATA_FILES = 33

NOTED = {
    "Tut_compliance": "agent 12: duplicate states",
    "ZAM-Ramp-1_1-T-1": "lane 2: refers to itself as its successor",
    "USA_US101-3_1_T-1": "agent 375: no trajectory or occupancy set",
    "DEU_A9-3_1_T-1": "states of 9 agents are sets",
    "test_reading_all": "speeds are computed from positions",
    "test_reading_lanelets": "sign 201 is not in the file",
    "test_reading_obstacles": "no lanes",
    "test_reading_planning_problem": "no lanes",
}
"""Files of the reference data with notes, and a part of the note; all other files need none."""

OLDER = """<commonRoad commonRoadVersion="2018b" benchmarkID="ZAM_Old-1_1_T-1" timeStepSize="0.2"
  tags="urban x!">
  <lanelet id="1">
    <leftBound><point><x>0</x><y>3</y></point><point><x>9</x><y>3</y></point></leftBound>
    <rightBound><point><x>0</x><y>0</y></point><point><x>4</x><y>0</y></point><point><x>9</x><y>0</y></point></rightBound>
    <successor ref="77"/>
    <speedLimit>8.5</speedLimit>
  </lanelet>
  <obstacle id="2">
    <role>static</role><type>parkedVehicle</type>
    <shape><rectangle><length>4</length><width>2</width>
      <orientation>0.5</orientation><center><x>1</x><y>0</y></center></rectangle></shape>
    <initialState>{place}<orientation><exact>1.5707963267948966</exact></orientation>{now}</initialState>
  </obstacle>
  <obstacle id="3">
    <role>dynamic</role><type>car</type>
    <shape><circle><radius>0.5</radius></circle></shape>
    <initialState>{place}<orientation><exact>0</exact></orientation>{now}</initialState>
    <trajectory><state>{later}<orientation><exact>0</exact></orientation><time><exact>2</exact></time></state></trajectory>
  </obstacle>
</commonRoad>""".format(
    place="<position><point><x>10</x><y>20</y></point></position>",
    later="<position><point><x>14</x><y>20</y></point></position>",
    now="<time><exact>0</exact></time>",
)


def read(text: str):
    return parse_commonroad(text.encode(), "a.xml")


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return str(caught.value)


def test_a_written_scenario_is_read_back_bit_for_bit():
    assert not list(differences(small_scenario(), read(TEXT)))


def test_the_older_version_is_read_alike():
    scenario = read(OLDER)
    assert scenario.dt == 0.2 and scenario.road.lanes[1].speed_limit == 8.5
    parked = scenario.obstacles[0].shapes[0]
    assert np.allclose(parked.centre, (10.0, 21.0)) and np.isclose(parked.yaw, np.pi / 2 + 0.5)
    assert scenario.tracks.sizes.round(2).tolist() == [[1.0, 1.0]]
    assert scenario.tracks.valid.tolist() == [[True, False, True]]
    assert scenario.tracks.states[0, ::2, 3].tolist() == [10.0, 10.0]  # 4 m in 0.4 s


def test_changes_are_noted():
    notes = " | ".join(read(OLDER).repairs)
    for expected in (
        "lane 1: 2 points left, 3 right: resampled",
        "lane 1: successor 77 is not in the file",
        "agent 3: its shape is replaced by a box of 1",
        "agent 3: 1 of its steps 0 to 2 are missing",
        "agent 3: 2 of 2 speeds are computed from positions",
        "tag 'x!' is not a word",
    ):
        assert expected in notes


def test_a_complete_file_has_no_notes():
    assert read(TEXT).repairs == ()


def test_identical_duplicate_states_are_dropped_and_different_ones_refused():
    twice = OLDER.replace(
        "<trajectory>",
        "<trajectory><state>{}</state>".format(OLDER.split("<initialState>")[2].split("</initialState>")[0]),
    )
    assert any("duplicate states" in note for note in read(twice).repairs)
    moved = twice.replace(
        "<trajectory><state><position><point><x>10<", "<trajectory><state><position><point><x>11<"
    )
    assert '<obstacle id="3"> has two different states at step 0' in refused(moved)


def test_an_uncertain_agent_has_a_track_of_centres_and_an_occupancy():
    box = "<rectangle><length>2</length><width>1</width><center><x>10</x><y>20</y></center></rectangle>"
    place = f"<position>{box}</position>"
    spread = "<orientation><intervalStart>-0.1</intervalStart><intervalEnd>0.3</intervalEnd></orientation>"
    head, tail = OLDER.split('<obstacle id="3">')
    tail = tail.replace(
        "<position><point><x>10</x><y>20</y></point></position><orientation><exact>0</exact></orientation>",
        place + spread,
        1,
    )
    scenario = read(f'{head}<obstacle id="3">{tail}')
    assert np.allclose(scenario.tracks.states[0, 0, :3], (10.0, 20.0, 0.1))
    (spread,) = scenario.occupancies
    assert spread.id not in scenario.tracks.ids
    assert len(spread.at(0)) == 1 and len(spread.at(2)) == 0
    assert any("are sets" in note for note in scenario.repairs)


def test_the_enclosing_rectangle_contains_an_uncertain_box_in_every_state():
    rng = np.random.default_rng(3)
    place = Rectangle(np.array([3.0, 4.0]), 1.5, 0.8, -0.6)
    box = enclosing_rectangle((4.5, 1.8), State(0, np.array([3.0, 4.0, 0.4, 0.0]), place, 0.25))
    corners = place.outline
    for _ in range(300):
        weights = rng.dirichlet(np.full(4, 0.3))
        covered = Rectangle(weights @ corners, 4.5, 1.8, 0.4 + rng.uniform(-0.25, 0.25)).outline
        assert box.contains(box.centre + (1 - 1e-9) * (covered - box.centre)).all()
    assert box.length < 4.5 + 1.8 + 2.0


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("<x>25.0</x>", "<x>nan</x>", "<x> has 'nan', wanted a number of at most 1e+09"),
        ("<x>25.0</x>", "<x>1e300</x>", "<x> has '1e300', wanted a number of at most 1e+09"),
        ("<x>25.0</x>", "<x>east</x>", "<x> has 'east', wanted a number"),
        ("<x>25.0</x>", "", "<point> has no <x>; it holds <y>"),
        ('<lanelet id="2">', "<lanelet>", "<lanelet> has no attribute 'id'"),
        ('<lanelet id="2">', '<lanelet id="two">', "has 'two' as its attribute 'id', wanted an integer"),
        ('<lanelet id="2">', '<lanelet id="1">', '<lanelet id="1"> has the id of another element'),
        ("<goalState>", "<goal>", "Opening and ending tag mismatch"),
        (
            'timeStepSize="0.1"',
            'timeStepSize="0"',
            "has a timeStepSize of '0', wanted seconds from 0.001 to 5",
        ),
        (
            'commonRoadVersion="2020a"',
            'commonRoadVersion="2099z"',
            "has version '2099z', known: 2018b, 2020a",
        ),
        (
            'benchmarkID="ZAM_Small-1_1_T-1"',
            'benchmarkID="../../x"',
            "line 2: <commonRoad> cannot be used: its id is '../../x', wanted a plain name",
        ),
        ("<color>red</color>", "<color>blue</color>", "<color> is 'blue', "),
        ("<duration>30</duration>", "<duration>-3</duration>", "<duration> is -3, wanted 1 step or more"),
        ("<exact>3</exact>", "<exact>900000</exact>", "<time> goes from step 900000 to 900000, wanted"),
        ("<exact>3</exact>", f"<exact>{'9' * 5000}</exact>", "as its text, wanted an integer"),
        ("<radius>0.7</radius>", "<radius>0</radius>", "<radius> is 0, wanted 0.001 to 10000"),
        ('<lanelet ref="3"/>', '<lanelet ref="5"/>', "lies on the lanes (5,), none of which is in the file"),
        ("<length>4.5</length>", "", "<rectangle> has no <length>"),
        ("<circle>", "<torus>", "Opening and ending tag mismatch"),
        ("<commonRoad ", "<!DOCTYPE commonRoad><commonRoad ", "declares a document type"),
    ],
)
def test_invalid_files_are_refused_with_file_line_and_element(old, new, expected):
    assert old in TEXT
    message = refused(TEXT.replace(old, new, 1))
    assert message.startswith("a.xml") and expected in message, message
    assert "line " in message or "DOCTYPE" in new


def with_start(v=9.0, yaw=0.0, step=0):
    """The scenario with a different start."""
    scenario = small_scenario()
    problem = scenario.problems[0]
    problem = replace(problem, start=replace(problem.start, v=v, yaw=yaw, step=step))
    return commonroad_text(replace(scenario, problems=(problem,))).decode()


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({"v": 1e9}, "<velocity> is 1e+09, wanted -150 to 150"),
        ({"v": -10.0}, "<velocity> is -10, wanted -1 to 150"),
        ({"yaw": 1e9}, "<orientation> is 1e+09, wanted -1000 to 1000"),
    ],
)
def test_an_implausible_start_is_refused(start, expected):
    assert expected in refused(with_start(**start))


@pytest.mark.parametrize(("length", "shown"), [("1e9", "1e+09"), ("1e-300", "1e-300"), ("-4.5", "-4.5")])
def test_an_obstacle_with_an_implausible_size_is_refused(length, shown):
    message = refused(TEXT.replace("<length>4.5</length>", f"<length>{length}</length>", 1))
    assert f"<length> is {shown}, wanted 0.001 to 10000" in message


def test_a_problem_that_starts_after_its_goal_or_all_agents_is_noted(tmp_path):
    path = tmp_path / "late.xml"
    path.write_text(with_start(step=90))
    notes = " | ".join(read_scenario(path).repairs)
    assert "problem 401: the goal ends at step 60, before the start at 90" in notes
    assert "problem 401: it starts at step 90, after the last step with agents, 3" in notes


def lanes(edges, about=""):
    """A scenario with one lane, from the x of its points and the y of its left and right edge."""
    xs, left, right = edges
    points = ["".join(f"<point><x>{x}</x><y>{y}</y></point>" for x in xs) for y in (left, right)]
    return (
        '<commonRoad commonRoadVersion="2020a" benchmarkID="ZAM_X-1_1_T-1" timeStepSize="0.1">'
        f'<lanelet id="1"><leftBound>{points[0]}</leftBound><rightBound>{points[1]}</rightBound>{about}'
        "</lanelet></commonRoad>"
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (lanes(((0, 50, 100), 2, -2)), ""),
        (lanes(((0, 50, 100), -2, 2)), "lane 1: its left edge lies to the right of its right edge"),
        (lanes(((0, 100, 50, 150), 2, -2)), "lane 1: it turns back on itself"),
        (
            lanes(((0, 50), 2, -2), '<predecessor ref="1"/><successor ref="1"/>'),
            "lane 1: refers to itself as its predecessor | lane 1: refers to itself as its successor",
        ),
    ],
)
def test_a_faulty_lane_is_noted(text, note):
    assert " | ".join(read(text).repairs) == note


def test_a_lane_without_area_is_refused():
    short, thin = refused(lanes(((3, 3), 2, -2))), refused(lanes(((0, 50), 2, 2)))
    assert '<lanelet id="1"> has no length: all its points coincide' in short
    assert '<lanelet id="1"> has no width: its edges coincide' in thin


def test_ids_are_unique_across_kinds_of_elements():
    shared = TEXT.replace('<staticObstacle id="201"', '<staticObstacle id="101"')
    assert 'Obstacle id="101"> has the id of another element' in refused(shared)


def test_a_problem_without_a_goal_is_refused():
    goalless = TEXT[: TEXT.index("<goalState>")] + TEXT[TEXT.rindex("</goalState>") + len("</goalState>") :]
    assert '<planningProblem id="401"> has no <goalState>' in refused(goalless)


def test_entities_are_neither_expanded_nor_fetched(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not tell")
    bomb = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(12))
    for entity, use in ((bomb, "a11"), (f'<!ENTITY x SYSTEM "file://{secret}">', "x")):
        body = TEXT.split("?>", 1)[1].replace("<x>25.0</x>", f"<x>&{use};</x>")
        message = refused(f"<!DOCTYPE commonRoad [{entity}]>{body}")
        assert "document type" in message or "not valid XML" in message
        assert "do not tell" not in message


def test_too_many_points_are_refused():
    points = "<point><x>1</x><y>2</y></point>" * MAX_POINTS
    assert f"<leftBound> has {MAX_POINTS + 3} points, wanted at most {MAX_POINTS}" in refused(
        TEXT.replace("<leftBound>", f"<leftBound>{points}", 1)
    )


def test_a_file_that_is_too_large_is_not_opened(tmp_path):
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(b"<commonRoad>")
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ScenarioError, match=r"large\.xml: holds \d+ bytes, wanted at most"):
        read_scenario(path)


def test_too_many_states_are_refused_before_allocation():
    late = TEXT.replace("<exact>3</exact>", "<exact>99999</exact>")
    agent = late[
        late.index("<dynamicObstacle") : late.index("</dynamicObstacle>") + len("</dynamicObstacle>")
    ]
    many = "".join(agent.replace('id="101"', f'id="{i}"') for i in range(1000, 1080))
    assert "agents over 100000 steps, wanted at most" in refused(late.replace(agent, agent + many))


def test_a_scenario_without_lanes_is_read_with_a_note():
    start, end = TEXT.index("<lanelet "), TEXT.rindex("</lanelet>") + len("</lanelet>")
    bare = TEXT[:start] + TEXT[end:]
    bare = bare.replace('<lanelet ref="3"/>', "<circle><radius>3</radius></circle>")
    assert "no lanes: there is no drivable area" in read(bare).repairs


def test_an_ego_that_starts_in_an_obstacle_is_noted(tmp_path):
    path = tmp_path / "a.xml"
    start = "<position><point><x>{}</x><y>{}</y>"
    assert start.format(2.0, 2.2) in TEXT
    for x, y, touched in ((30.1, 1.1, True), (26.6, 1.0, True), (30.0, 3.6, False), (25.0, 1.0, False)):
        path.write_text(TEXT.replace(start.format(2.0, 2.2), start.format(x, y)))
        is_noted = "problem 401: the ego starts within obstacle 201" in read_scenario(path).repairs
        assert is_noted == touched, (x, y)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"hello", "is not a scenario; wanted CommonRoad XML"),
        (b"<html/>", "<html> is not a CommonRoad scenario"),
        (b"", "is not a scenario"),
        ("<html/>".encode("utf-16"), "is encoded in UTF-16, wanted UTF-8"),
    ],
)
def test_a_file_of_unknown_format_is_refused_with_the_known_ones(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        read_scenario(path)


def test_invalid_xml_is_reported_with_a_single_location():
    assert refused("") == "a.xml, line 1: not valid XML (Document is empty)"
    assert "column" not in refused("<a></b>") and "<string>" not in refused("<a></b>")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"nowhere\.xml: cannot be read \(No such file"):
        read_scenario(tmp_path / "nowhere.xml")


def data_files(shared_data):
    files = sorted(shared_data("commonroad").rglob("*.xml"))
    assert len(files) == DATA_FILES
    return files


def test_every_file_of_the_reference_data_is_read_with_the_known_notes(shared_data):
    noted = {}
    for path in data_files(shared_data):
        scenario = read_scenario(path)
        assert scenario.tracks.ids or scenario.road.lanes or scenario.problems
        if scenario.repairs:
            noted[path.stem] = " | ".join(scenario.repairs)
    assert noted.keys() == NOTED.keys()
    assert all(NOTED[name] in notes for name, notes in noted.items())


def test_a_round_trip_of_the_reference_data_changes_nothing(shared_data):
    for path in data_files(shared_data):
        scenario = read_scenario(path)
        again = parse_commonroad(commonroad_text(scenario), path.name)
        assert not list(differences(scenario, again, apart_from=("repairs",))), path


def test_known_content_of_the_reference_data_is_read(shared_data):
    io = shared_data("commonroad") / "io"
    us101 = read_scenario(io / "USA_US101-4_1_T-1.xml")
    assert (len(us101.road.lanes), us101.tracks.states.shape) == (12, (22, 101, 4))
    lankershim = read_scenario(io / "test_reading_complex_tl.xml")
    assert len(lankershim.road.lights) == 8 and len(lankershim.road.intersections) == 1
    assert sum(lane.stop_line is not None for lane in lankershim.road.lanes.values()) > 0
    assert {lane.speed_limit for lane in lankershim.road.lanes.values()} == {11.176, 13.4112}
    sets = read_scenario(io.parent / "drivability-checker" / "USA_US101-3_3_S-1.xml")
    assert len(sets.occupancies) == 33 and set(sets.tracks.valid.sum(axis=1)) == {1}
    uncertain = read_scenario(io / "DEU_A9-3_1_T-1.xml")
    assert uncertain.dt == 0.2 and len(uncertain.occupancies) == 9
