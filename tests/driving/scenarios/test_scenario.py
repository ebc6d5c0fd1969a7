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


def test_an_oriented_rectangle_contains_points_up_to_its_corners():
    box = Rectangle(np.array([3.0, -1.0]), 4.0, 2.0, 0.7)
    outward = box.outline - box.centre
    assert box.contains(box.centre + 0.999 * outward).all()
    assert not box.contains(box.centre + 1.001 * outward).any()


def test_a_notch_lies_outside_of_its_polygon():
    notched = Polygon(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]]))
    inside = notched.contains(np.array([[[1.0, 1.0], [2.0, 3.0]], [[2.0, 0.5], [5.0, 1.0]]]))
    assert inside.tolist() == [[True, False], [True, False]]


def test_the_outline_of_a_circle_contains_it():
    disc = Circle(np.array([5.0, 5.0]), 2.0)
    angles = np.linspace(0, 2 * np.pi, 200)
    rim = disc.centre + 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    assert disc.contains(disc.centre + 0.999 * (rim - disc.centre)).all()
    assert Polygon(disc.outline).contains(disc.centre + 0.9999 * (rim - disc.centre)).all()


def test_arrays_of_a_scenario_are_read_only():
    scenario = small_scenario()
    for array in (
        scenario.tracks.states,
        scenario.road.lanes[1].left,
        scenario.obstacles[0].shapes[0].centre,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_a_scenario_copies_its_arrays():
    left = SQUARE.copy()
    lane = Lane(1, left, SQUARE + 5)
    left[0] = 99.0
    assert np.array_equal(lane.left, SQUARE)


def test_the_centre_of_a_lane_lies_within_its_polygon():
    lane = Lane(1, SQUARE[:2] + STRIP, SQUARE[:2])
    assert lane.centre.tolist() == [[0.0, 1.0], [2.0, 1.0]]
    assert Polygon(lane.polygon).contains(np.array([1.0, 1.0]))


@pytest.mark.parametrize(
    "left, right", [(SQUARE[:1], SQUARE[:1]), (SQUARE, SQUARE[:3]), (np.zeros((2, 3)), np.zeros((2, 3)))]
)
def test_a_lane_with_invalid_edges_is_refused(left, right):
    with pytest.raises(ShapeError, match="lane 9"):
        Lane(9, left, right)


def test_lanes_and_areas_are_drivable_and_footways_are_not():
    def lane(i: int, kind: str) -> Lane:
        return Lane(i, SQUARE[:2], SQUARE[:2] - 1, frozenset({kind}))

    road = Road({1: lane(1, "urban"), 2: lane(2, "sidewalk"), 3: lane(3, "crosswalk")}, areas=(SQUARE,))
    assert len(road.drivable) == 2


def test_a_light_repeats_its_cycle_from_its_offset():
    light = TrafficLight(1, (("green", 3), ("yellow", 1), ("red", 2)), offset=2)
    assert [light.colour(step) for step in range(8)] == [
        *("red", "red"),  # the end of the previous cycle
        *("green", "green", "green", "yellow", "red", "red"),
    ]
    assert replace(light, is_active=False).colour(2) == "inactive"


@pytest.mark.parametrize("phases", [(), (("blue", 3),), (("red", 0),)])
def test_a_light_with_invalid_phases_is_refused(phases):
    with pytest.raises(ShapeError, match=r"traffic light 1 .* green"):
        TrafficLight(1, phases)


def test_tracks_are_invalid_outside_of_the_recording():
    tracks = one_track(np.ones((3, 4)), np.array([True, False, True]))
    valid = [bool(tracks.at(step)[1][0]) for step in (-1, 0, 1, 2, 3)]
    assert valid == [False, True, False, True, False]
    assert np.isnan(tracks.states[0, 1]).all() and tracks.steps == 3


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ids": (7, 7)}, "wanted unique ids"),
        ({"kinds": ("horse",)}, "'horse', .*motorcycle"),
        ({"sizes": [[4.0, 0.0]]}, "not above 0"),
        ({"sizes": [[4.0]]}, r"shape \(1, 1\)"),
        ({"valid": np.zeros(3, bool)}, "never valid"),
        ({"states": np.full((3, 4), np.nan)}, "not finite"),
    ],
)
def test_invalid_tracks_are_refused(change, message):
    states = change.pop("states", np.ones((3, 4)))
    with pytest.raises(ShapeError, match=message):
        one_track(states, **change)


def test_obstacles_cannot_have_the_kind_of_an_agent():
    with pytest.raises(ShapeError, match=r"obstacle 1 is a 'car', .*parkedVehicle"):
        Obstacle(1, "car", ())


def test_an_occupancy_covers_its_regions_at_their_steps():
    occupancy = Occupancy(
        1, (Region(0, 2, (Polygon(SQUARE),)), Region(2, 4, (Polygon(SQUARE + 1), Polygon(SQUARE + 2))))
    )
    assert [len(occupancy.at(step)) for step in range(6)] == [1, 1, 3, 2, 2, 0]


def test_a_goal_is_reached_when_all_conditions_hold_at_the_same_step():
    scenario = small_scenario()
    goal = scenario.problems[0].goals[0]  # lane 3, yaw within 0.2 of 0, 3 to 14 m/s, steps 20 to 60
    right = np.array([60.0, 2.0, 2 * np.pi, 9.0])
    wrong = [right + change for change in ([-20, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 9])]
    reached = scenario.goal_reached(goal, np.tile(right, (4, 1)), np.array([19, 20, 60, 61]))
    assert reached.tolist() == [False, True, True, False]
    assert not scenario.goal_reached(goal, np.array(wrong), np.full(4, 30)).any()


def test_a_goal_without_shapes_is_anywhere():
    scenario = small_scenario()
    states = np.array([[1e4, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 50.0]])
    assert scenario.goal_reached(Goal((0, 5)), states, np.array([0, 5])).all()


def test_a_scenario_needs_a_step_duration_and_at_most_one_ego():
    with pytest.raises(ShapeError, match=r"dt of 0\.0 s"):
        Scenario("x", 0.0)
    with pytest.raises(ShapeError, match="0 tracks, wanted 1"):
        Scenario("x", 0.1, ego=empty_tracks())


@pytest.mark.parametrize(
    "identity", ["", "../../x", "/tmp/x", "..", ".x", "a/b", "[red]X[/nope]", "a b", "X\n", "X\t1", "Z" * 121]
)
def test_the_id_must_be_a_valid_file_name(identity):
    with pytest.raises(ShapeError, match="wanted a plain name") as caught:
        Scenario(identity, 0.1)
    assert repr(identity)[:40] in str(caught.value) and len(str(caught.value)) < 250


def test_a_road_that_is_too_large_is_refused_with_its_farthest_lane():
    lanes = {i: Lane(i, SQUARE[1:3] + far, SQUARE[::3] + far) for i, far in ((1, 0), (2, 5), (3, 9e8))}
    with pytest.raises(ShapeError, match=r"lane 3 reaches 900000 km from the middle of the road, wanted"):
        Road(lanes)
    with pytest.raises(ShapeError, match="area 0 reaches"):
        Road(areas=(SQUARE * 1e6,))
    assert Road({1: lanes[1], 2: Lane(2, SQUARE[1:3] + 99_000, SQUARE[::3] + 99_000)}).drivable


def test_the_id_tells_whether_agents_react():
    assert Scenario("DEU_Cologne-63_5_I-1", 0.1).is_interactive
    assert not small_scenario().is_interactive


def test_the_comparison_of_scenarios_covers_every_part():
    one = small_scenario()
    assert not list(differences(one, small_scenario()))
    for change in (
        {"dt": 0.2},
        {"obstacles": one.obstacles[:2]},
        {"ego": one_track(np.ones((2, 4)))},
        {"road": Road()},
    ):
        assert list(differences(one, replace(one, **change)))
