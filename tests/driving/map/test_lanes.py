import numpy as np
import pytest
from small_roads import lane, road, straight, trajectories

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.scenarios.road import Road
from wm_planner.errors import ShapeError

LANES = Lanes(road())


def ids_of(indices, lanes=LANES):
    return [lanes.ids[i] if i != NO_LANE else None for i in indices]


def at(x, y, yaw=0.0):
    return box_corners(oriented_boxes(np.array([[x, y, yaw]]), [4.0, 2.0]))


def test_a_trajectory_follows_consecutive_lanes():
    followed = ids_of(LANES.match(straight(x=80.0, steps=41)[:, :2]))
    assert followed == [1] * followed.count(1) + [2] * followed.count(2)
    assert 19 <= followed.count(1) <= 21


def test_points_off_the_lanes_match_no_lane():
    points = np.array([(10.0, 0.0), (10.0, -3.0), (10.0, 3.5)])
    assert ids_of(LANES.match(points)) == [1, None, 3]


def test_among_overlapping_lanes_the_one_with_the_longest_stay_matches():
    """Lanes 11 and 12 overlap at their start and diverge; 12 lies 1 m to the left."""
    fork = (
        lane(10, 0.0, 0, 20, successors=(12, 11)),
        lane(11, 0.0, 20, 80, predecessors=(10,)),
        lane(12, 1.0, 20, 60, predecessors=(10,)),
    )
    lanes = Lanes(Road({each.id: each for each in fork}))
    along = np.stack([np.arange(10.0, 75.0), np.zeros(65)], axis=1)
    followed = ids_of(lanes.match(along), lanes)
    assert set(followed[12:]) == {11}
    assert set(ids_of(lanes.match(along[:40]), lanes)) <= {10, 11, 12}
    aside = along[:48] + (0, 2.0) * (along[:48, :1] > 21)
    assert ids_of(lanes.match(aside), lanes)[-1] == 12


@pytest.mark.parametrize(("y", "within"), [(0.74, True), (0.76, False)])
def test_a_box_is_in_one_lane_up_to_its_edge(y, within):
    assert LANES.in_one_lane(at(50.0, y)) == [within]


def test_a_box_across_the_joint_of_two_lanes_is_in_one_lane():
    assert LANES.in_one_lane(at(100.0, 0.0)) == [True]
    assert LANES.in_one_lane(at(100.0, 1.75)) == [False]


def test_a_box_may_span_a_short_lane():
    short = (
        lane(1, 0.0, 0, 20, successors=(2,)),
        lane(2, 0.0, 20, 21, successors=(3,)),
        lane(3, 0.0, 21, 40),
    )
    lanes = Lanes(Road({each.id: each for each in short}))
    assert lanes.in_one_lane(at(20.5, 0.0)) == [True]


def test_footways_are_not_drivable_and_a_road_needs_a_drivable_lane():
    pavement = lane(7, 0.0, 0, 9, kinds=frozenset({"sidewalk"}))
    with pytest.raises(ShapeError, match="the road has no drivable lane"):
        Lanes(Road({7: pavement}))
    assert Lanes(road()).indices([5, 77]) == [4]


def test_boxes_of_several_trajectories_are_checked_at_once():
    found = LANES.in_one_lane(
        box_corners(oriented_boxes(trajectories(straight(y=0.0), straight(y=1.75)).states, [4, 2]))
    )
    assert found.shape == (2, 41)
    assert found.all(axis=1).tolist() == [True, False]
