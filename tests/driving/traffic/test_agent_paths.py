import numpy as np
from small_roads import lane, road

from wm_planner.driving.geometry import centreline
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.traffic.agent_paths import Path, lanes_at


def test_a_pose_is_matched_to_the_lane_of_its_direction():
    lanes = Lanes(road())
    poses = np.array([(10, 0, 0), (150, 3.5, 0.3), (50, 7, np.pi), (50, 7, 0), (50, 0, 1.6), (50, -9, 0)])
    found = [lanes.ids[i] if i != NO_LANE else None for i in lanes_at(lanes, poses)]
    assert found == [1, 4, 5, None, None, None]


def test_among_overlapping_lanes_a_pose_is_matched_to_the_best_aligned_one():
    """Lane 12 crosses lane 11 at a right angle; lane 13 coincides with 11."""
    crossing = Road({each.id: each for each in (lane(11, 0.0, 0, 80), turned(12), lane(13, 0.0, 0, 80))})
    lanes = Lanes(crossing)
    found = lanes_at(lanes, np.array([(40.0, 0.0, yaw) for yaw in (0.1, 0.7, 0.9, 1.5)]))
    assert [lanes.ids[i] for i in found] == [11, 11, 12, 12]


def turned(identity):
    """A lane along x = 40 m, in the direction of y."""
    flat = lane(identity, -40.0, -40, 40)
    left, right = (edge[:, ::-1] * (-1, 1) for edge in (flat.left, flat.right))
    return type(flat)(identity, left, right, speed_limit=flat.speed_limit)


def test_the_centre_line_of_a_lane_is_built_once_for_all_paths(monkeypatch):
    lanes = Lanes(road())
    path = Path.from_points(np.array([(5.0, 0.0), (195.0, 0.0)]), lanes)
    built = []
    monkeypatch.setattr(centreline.Centreline, "__init__", lambda line, points: built.append(points))
    lanes_at(lanes, path.line.poses(np.arange(0.0, 190.0, 10.0)))
    assert not built
