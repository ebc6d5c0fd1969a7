from dataclasses import replace

import numpy as np
import pytest
from scenarios import differences, small_scenario

from wm_planner.driving.geometry.shapes import Circle, Polygon, Rectangle
from wm_planner.driving.scenarios.road import Lane, Road, TrafficLight
from wm_planner.driving.scenarios.scenario import Goal, Scenario
from wm_planner.driving.scenarios.tracks import (
    Obstacle,
    Occupancy,
    Region,
    Tracks,
    empty_tracks,
)
from wm_planner.errors import ShapeError

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])


STRIP = np.array([0.0, 2.0])


def one_track(states: np.ndarray, valid: np.ndarray | None = None, **other: object) -> Tracks:
    fields = {"ids": (7,), "kinds": ("car",), "sizes": [[4.0, 2.0]], **other}
    return Tracks(
        states=states[None], valid=np.ones((1, len(states))) if valid is None else valid[None], **fields
    )


def test_a_turned_rectangle_contains_its_own_corners_and_no_more():
    box = Rectangle(np.array([3.0, -1.0]), 4.0, 2.0, 0.7)
    outward = box.outline - box.centre
    assert box.contains(box.centre + 0.999 * outward).all()
    assert not box.contains(box.centre + 1.001 * outward).any()


def test_a_polygon_with_a_notch_leaves_the_notch_out():
    notched = Polygon(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]]))
    inside = notched.contains(np.array([[[1.0, 1.0], [2.0, 3.0]], [[2.0, 0.5], [5.0, 1.0]]]))
    assert inside.tolist() == [[True, False], [True, False]]


def test_no_point_of_a_disc_lies_outside_of_its_outline():
    disc = Circle(np.array([5.0, 5.0]), 2.0)
    angles = np.linspace(0, 2 * np.pi, 200)
    rim = disc.centre + 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    assert disc.contains(disc.centre + 0.999 * (rim - disc.centre)).all()
    assert Polygon(disc.outline).contains(disc.centre + 0.9999 * (rim - disc.centre)).all()


def test_arrays_of_a_scenario_cannot_be_written():
    scenario = small_scenario()
    for array in (
        scenario.tracks.states,
        scenario.road.lanes[1].left,
        scenario.obstacles[0].shapes[0].centre,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_a_scenario_keeps_copies_of_what_it_is_given():
    left = SQUARE.copy()
    lane = Lane(1, left, SQUARE + 5)
    left[0] = 99.0
    assert np.array_equal(lane.left, SQUARE)


def test_the_centre_of_a_lane_is_midway_and_its_polygon_goes_around():
    lane = Lane(1, SQUARE[:2] + STRIP, SQUARE[:2])
    assert lane.centre.tolist() == [[0.0, 1.0], [2.0, 1.0]]
    assert Polygon(lane.polygon).contains(np.array([1.0, 1.0]))


@pytest.mark.parametrize(
    "left, right", [(SQUARE[:1], SQUARE[:1]), (SQUARE, SQUARE[:3]), (np.zeros((2, 3)), np.zeros((2, 3)))]
)
def test_a_lane_of_odd_shape_is_refused(left, right):
    with pytest.raises(ShapeError, match="lane 9"):
        Lane(9, left, right)


def test_one_may_drive_on_lanes_and_areas_but_not_on_footways():
    def lane(i: int, kind: str) -> Lane:
        return Lane(i, SQUARE[:2], SQUARE[:2] - 1, frozenset({kind}))

    road = Road({1: lane(1, "urban"), 2: lane(2, "sidewalk"), 3: lane(3, "crosswalk")}, areas=(SQUARE,))
    assert len(road.drivable) == 2


def test_a_light_goes_around_from_its_offset():
    light = TrafficLight(1, (("green", 3), ("yellow", 1), ("red", 2)), offset=2)
    assert [light.colour(step) for step in range(8)] == [
        *("red", "red"),  # the end of the round before
        *("green", "green", "green", "yellow", "red", "red"),
    ]
    assert replace(light, is_active=False).colour(2) == "inactive"


@pytest.mark.parametrize("phases", [(), (("blue", 3),), (("red", 0),)])
def test_a_light_without_colours_or_time_is_refused(phases):
    with pytest.raises(ShapeError, match=r"traffic light 1 .* green"):
        TrafficLight(1, phases)


def test_nobody_is_seen_outside_of_a_recording_or_where_not_valid():
    tracks = one_track(np.ones((3, 4)), np.array([True, False, True]))
    seen = [bool(tracks.at(step)[1][0]) for step in (-1, 0, 1, 2, 3)]
    assert seen == [False, True, False, True, False]
    assert np.isnan(tracks.states[0, 1]).all() and tracks.steps == 3


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ids": (7, 7)}, "wanted one each"),
        ({"kinds": ("horse",)}, "'horse', .*motorcycle"),
        ({"sizes": [[4.0, 0.0]]}, "not above 0"),
        ({"sizes": [[4.0]]}, r"shape \(1, 1\)"),
        ({"valid": np.zeros(3, bool)}, "never seen"),
        ({"states": np.full((3, 4), np.nan)}, "not finite"),
    ],
)
def test_tracks_that_cannot_be_are_refused(change, message):
    states = change.pop("states", np.ones((3, 4)))
    with pytest.raises(ShapeError, match=message):
        one_track(states, **change)


def test_what_stands_and_what_moves_are_of_different_kinds():
    with pytest.raises(ShapeError, match=r"obstacle 1 is a 'car', .*parkedVehicle"):
        Obstacle(1, "car", ())


def test_an_occupancy_takes_what_its_regions_take_at_a_step():
    taken = Occupancy(
        1, (Region(0, 2, (Polygon(SQUARE),)), Region(2, 4, (Polygon(SQUARE + 1), Polygon(SQUARE + 2))))
    )
    assert [len(taken.at(step)) for step in range(6)] == [1, 1, 3, 2, 2, 0]


def test_one_arrives_where_and_when_all_that_is_asked_holds_at_once():
    scenario = small_scenario()
    goal = scenario.problems[0].goals[0]  # lane 3, yaw within 0.2 of 0, 3 to 14 m/s, steps 20 to 60
    right = np.array([60.0, 2.0, 2 * np.pi, 9.0])
    wrong = [right + change for change in ([-20, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 9])]
    assert scenario.goal_reached(goal, right, np.array(20)) and scenario.goal_reached(
        goal, right, np.array(60)
    )
    assert not scenario.goal_reached(goal, right, np.array(19)) and not scenario.goal_reached(
        goal, right, np.array(61)
    )
    assert not scenario.goal_reached(goal, np.array(wrong), np.full(4, 30)).any()


def test_a_goal_without_a_place_is_anywhere():
    scenario = small_scenario()
    states = np.array([[1e4, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 50.0]])
    assert scenario.goal_reached(Goal((0, 5)), states, np.array([0, 5])).all()


def test_a_scenario_needs_time_and_one_ego():
    with pytest.raises(ShapeError, match=r"dt of 0\.0 s"):
        Scenario("x", 0.0)
    with pytest.raises(ShapeError, match="0 tracks, wanted 1"):
        Scenario("x", 0.1, ego=empty_tracks())


@pytest.mark.parametrize(
    "identity", ["", "../../x", "/tmp/x", "..", ".x", "a/b", "[red]X[/nope]", "a b", "X\n", "X\t1", "Z" * 121]
)
def test_the_id_is_a_plain_name_that_a_file_can_have(identity):
    with pytest.raises(ShapeError, match="wanted a plain name") as caught:
        Scenario(identity, 0.1)
    assert repr(identity)[:40] in str(caught.value) and len(str(caught.value)) < 250


def test_a_road_that_no_car_gets_across_is_refused_by_its_farthest_lane():
    lanes = {i: Lane(i, SQUARE[1:3] + far, SQUARE[::3] + far) for i, far in ((1, 0), (2, 5), (3, 9e8))}
    with pytest.raises(ShapeError, match=r"lane 3 reaches 900000 km from the middle of the road, wanted"):
        Road(lanes)
    with pytest.raises(ShapeError, match="area 0 reaches"):
        Road(areas=(SQUARE * 1e6,))
    assert Road({1: lanes[1], 2: Lane(2, SQUARE[1:3] + 99_000, SQUARE[::3] + 99_000)}).drivable


def test_the_id_says_whether_agents_react():
    assert Scenario("DEU_Cologne-63_5_I-1", 0.1).is_interactive
    assert not small_scenario().is_interactive


def test_the_comparison_of_scenarios_sees_every_part():
    one = small_scenario()
    assert not list(differences(one, small_scenario()))
    for change in (
        {"dt": 0.2},
        {"obstacles": one.obstacles[:2]},
        {"ego": one_track(np.ones((2, 4)))},
        {"road": Road()},
    ):
        assert list(differences(one, replace(one, **change)))
