"""nuPlan's scores: hand-made cases on either side of each threshold."""

import numpy as np
import pytest
from small_roads import CAR, DT, LIMIT, obstacles, recorded, road_context, scenario, straight, trajectories

from wm_planner.driving.metrics.contacts import find_contacts
from wm_planner.driving.metrics.expert import ExpertProgress, expert_progress
from wm_planner.driving.metrics.nuplan import WEIGHTS, closed_loop
from wm_planner.driving.metrics.nuplan_open_loop import open_loop
from wm_planner.errors import ShapeError

ROAD = road_context()
INTERSECTION = road_context(inside=(1, 2))  # an intersection everywhere
EXPERT = ExpertProgress(40.0, "recorded")


def scored(*states, boxes=None, context=ROAD, expert=EXPERT):
    return closed_loop(trajectories(*states), boxes or obstacles(), context, expert)


def at_fault(state, other, kind="car", size=(4.0, 2.0), context=ROAD):
    """Whether the ego is at fault for its only contact; None without one."""
    contacts = find_contacts(trajectories(state), obstacles(other, kinds=[kind], sizes=[size]), context)
    return bool(contacts.at_fault[0]) if len(contacts.at_fault) else None


def test_a_flawless_drive_scores_one():
    scores = scored(straight())
    assert scores.score == 1 and scores.expert == "recorded"
    assert scores.progress_m == pytest.approx(40.0)


def test_the_score_is_the_multipliers_times_the_weighted_mean():
    scores = scored(straight(v=10.4))
    mean = sum(weight * getattr(scores, name)[0] for name, weight in WEIGHTS.items()) / 16
    assert 0.8 < scores.speed_limit[0] < 1 and scores.score[0] == pytest.approx(mean)
    assert scored(straight(y=-10.0)).score == 0


@pytest.mark.parametrize(("x", "score"), [(53.99, 0), (54.01, 1)])
def test_a_rear_end_collision_is_the_egos_fault(x, score):
    """The ego's front bumper ends up at 52 m."""
    for speed in (0.0, 0.5):
        ahead = straight(x=x - 4 * speed, v=speed)
        assert scored(straight(), boxes=obstacles(ahead)).no_at_fault_collisions == score


def test_being_hit_from_behind_is_not_the_egos_fault():
    assert at_fault(straight(v=5.0), straight(x=-2.0, v=12.0)) is False


@pytest.mark.parametrize(("speed", "fault"), [(0.049, False), (0.051, True)])
def test_a_stopped_ego_is_not_at_fault(speed, fault):
    assert at_fault(straight(v=speed), straight(x=20.0, v=-8.0)) is fault


@pytest.mark.parametrize(("speed", "fault"), [(0.049, True), (0.051, False)])
def test_touching_a_stopped_car_on_any_side_is_the_egos_fault(speed, fault):
    aside = straight(x=21.0, y=1.9, v=speed)
    assert at_fault(straight(x=25.0, v=1.0), aside) is fault


@pytest.mark.parametrize(("y", "fault"), [(0.74, False), (0.76, True)])
def test_a_lateral_collision_is_the_egos_fault_in_several_lanes(y, fault):
    """The other car comes from the left into the ego's door."""
    other = straight(x=30.0, y=y + 6.0, v=6.0, yaw=-np.pi / 2)
    other[:, 0] += 10.0 * DT * np.arange(41)
    assert at_fault(straight(x=30.0, y=y), other) is fault


@pytest.mark.parametrize(("angle", "fault"), [(149.0, True), (151.0, False)])
def test_a_track_is_behind_beyond_150_degrees(angle, fault):
    """The other is so large that it covers the ego; its centre has that bearing from the rear axle."""
    rear = np.array([10.0 - CAR.rear_to_centre_m, 0.0])
    x, y = rear + 2.0 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    assert at_fault(straight(), straight(x=x, y=y, v=10.0), size=(12.0, 6.0)) is fault


def test_only_the_first_contact_with_each_track_counts():
    """The other hits from behind first, and is still in contact when it stops."""
    ego = straight(v=5.0)
    other = straight(x=5.9, v=5.2)
    other[20:, 3] = 0.0
    assert at_fault(ego, other) is False


@pytest.mark.parametrize(
    ("kinds", "score"),
    [
        (["constructionZone"], 0.5),
        (["constructionZone", "pillar"], 0.0),
        (["pedestrian"], 0.0),
        (["parkedVehicle"], 0.0),
        (["car", "pillar"], 0.0),
    ],
)
def test_one_object_halves_the_score_and_a_road_user_zeroes_it(kinds, score):
    ahead = [straight(x=30.0, v=0.0)] * len(kinds)
    assert scored(straight(), boxes=obstacles(*ahead, kinds=kinds)).no_at_fault_collisions == score


def test_two_boxes_of_one_object_count_once():
    fence = obstacles(straight(x=30.0, v=0.0), straight(x=30.0, y=0.5, v=0.0), kinds=["pillar"] * 2)
    assert scored(straight(), boxes=fence).no_at_fault_collisions == 0
    fence.object_ids[:] = 7
    assert scored(straight(), boxes=fence).no_at_fault_collisions == 0.5


@pytest.mark.parametrize(("off", "score"), [(0.299, 1), (0.301, 0)])
def test_a_corner_may_be_30_cm_outside(off, score):
    assert scored(straight(y=-0.75 - off)).drivable_area == score


@pytest.mark.parametrize(("distance", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_driving_2_and_6_m_against_the_lane_within_a_second(distance, score):
    """The window spans eleven steps."""
    oncoming = straight(x=100.0, y=7.0, v=distance / 11 / DT)
    assert scored(oncoming).driving_direction == score
    slowly = straight(x=100.0, y=7.0, v=1.0)
    assert scored(slowly).driving_direction == 1  # 4 m, but over 4 s


def test_driving_along_the_lane_is_not_wrong_way():
    assert scored(straight(x=100.0, y=7.0, v=8.0, yaw=np.pi)).driving_direction == 1


@pytest.mark.parametrize(("ratio", "expected"), [(0.199, 0), (0.201, 1)])
def test_a_fifth_of_the_experts_progress_counts_as_making_progress(ratio, expected):
    scores = scored(straight(v=ratio * 10.0))
    assert scores.making_progress == expected
    assert scores.progress == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("gained", "expert_m", "ratio"), [(1.0, 1.5, 1.0), (1.0, 4.0, 0.5), (3.0, 4.0, 0.75)]
)
def test_progress_is_at_least_two_metres(gained, expert_m, ratio):
    scores = scored(straight(v=gained / 4), expert=ExpertProgress(expert_m, "recorded"))
    assert scores.progress == pytest.approx(ratio)


@pytest.mark.parametrize(("reversed_m", "ratio"), [(1.99, 0.05), (2.01, 0.0)])
def test_reversing_by_two_metres_is_no_progress(reversed_m, ratio):
    assert scored(straight(v=-reversed_m / 4)).progress == pytest.approx(ratio)


def test_progress_ends_where_the_ego_leaves_the_route():
    leaving = straight()
    leaving[21:, 1] = -5.0
    assert scored(leaving).progress_m == pytest.approx(20.0)


@pytest.mark.parametrize(("gap", "ttc", "expected"), [(1.195, 0.9, 0), (1.205, 1.0, 1)])
def test_a_time_to_collision_of_less_than_95_hundredths_of_a_second(gap, ttc, expected):
    """The gap closes at 1 m/s; three steps later 0.895 or 0.905 m are left."""
    ahead = obstacles(straight(x=14.0 + gap, v=9.0, steps=4))
    scores = scored(straight(steps=4), boxes=ahead)
    assert scores.min_time_to_collision == pytest.approx(ttc)
    assert scores.time_to_collision == expected


@pytest.mark.parametrize(("gap", "ttc"), [(3.19, 2.9), (3.21, np.inf)])
def test_the_time_to_collision_lookahead_is_three_seconds(gap, ttc):
    ahead = obstacles(straight(x=14.0 + gap, v=9.0, steps=4))
    assert scored(straight(steps=4), boxes=ahead).min_time_to_collision == pytest.approx(ttc)


def crossing(angle):
    """A track from the side, at a bearing from the ego's rear axle, that the ego would hit in 0.9 s."""
    distance = 12.0
    x, y = 10.0 - CAR.rear_to_centre_m + distance * np.cos(angle), distance * np.sin(angle)
    other = straight(x=x, y=y, v=y / 0.9, yaw=-np.pi / 2, steps=4)
    other[1:] = np.nan
    return obstacles(other)


@pytest.mark.parametrize(("angle", "counts"), [(29.0, True), (31.0, False)])
def test_a_track_is_ahead_within_30_degrees(angle, counts):
    scores = scored(straight(steps=4), boxes=crossing(np.deg2rad(angle)))
    assert np.isfinite(scores.min_time_to_collision) == counts


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_lateral_tracks_count_in_several_lanes_and_in_intersections(y):
    boxes = crossing(np.deg2rad(31.0))
    inside = scored(straight(y=y, steps=4), boxes=boxes, context=INTERSECTION)
    assert np.isfinite(inside.min_time_to_collision)
    outside = scored(straight(y=y, steps=4), boxes=boxes)
    assert np.isfinite(outside.min_time_to_collision) == (y > 0.75)


@pytest.mark.parametrize(("angle", "counts"), [(149.0, True), (151.0, False)])
def test_tracks_behind_never_count(angle, counts):
    rear = np.array([10.0 - CAR.rear_to_centre_m, 0.0])
    x, y = rear + 8.0 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    other = straight(x=x, y=y, v=20.0, yaw=np.arctan2(-y, 12.0 - x), steps=4)
    other[1:] = np.nan
    scores = scored(straight(v=2.0, steps=4), boxes=obstacles(other), context=INTERSECTION)
    assert np.isfinite(scores.min_time_to_collision) == counts


@pytest.mark.parametrize(("speed", "counts"), [(0.0049, False), (0.0051, True)])
def test_a_standing_ego_has_no_time_to_collision(speed, counts):
    towards = obstacles(straight(x=30.0, v=-10.0, steps=4))
    scores = scored(straight(v=speed, steps=4), boxes=towards)
    assert np.isfinite(scores.min_time_to_collision) == counts


def test_ttc_is_zero_for_a_collision_at_fault_and_infinite_without_fault():
    hit = scored(straight(), boxes=obstacles(straight(x=30.0, v=0.0)))
    assert hit.min_time_to_collision == 0
    behind = scored(straight(v=5.0), boxes=obstacles(straight(x=5.5, v=5.2)))
    assert np.isinf(behind.min_time_to_collision)


@pytest.mark.parametrize(("over", "score"), [(0.0, 1.0), (1.115, 0.4875), (2.17, 0.0025), (2.23, 0.0)])
def test_a_mean_overspeed_of_223_scores_zero(over, score):
    """41 steps last 4 s, so nuPlan's sum is 41 / 40 of the mean."""
    assert scored(straight(v=LIMIT + over)).speed_limit == pytest.approx(score, abs=2e-3)


def test_there_is_no_speed_limit_off_the_lanes():
    assert scored(straight(y=-20.0, v=30.0)).speed_limit == 1


def test_hard_braking_is_not_comfortable():
    for braking, expected in ((3.9, 1), (4.2, 0)):
        braked = straight(v=20.0)
        braked[:, 3] -= braking * DT * np.arange(41)
        assert scored(braked).comfort == expected


def test_a_batch_scores_as_each_trajectory_alone():
    boxes = obstacles(straight(x=35.0, v=3.0), straight(x=60.0, y=3.5, v=9.0))
    each = [straight(v=v, y=y) for v, y in ((10, 0), (4, 0.9), (12, 3.0), (8, 7.0))]
    together = scored(*each, boxes=boxes)
    for n, one in enumerate(each):
        alone = scored(one, boxes=boxes)
        for name in alone._fields[:-1]:
            np.testing.assert_array_equal(getattr(together, name)[n], getattr(alone, name)[0])


def test_the_expert_is_the_recorded_drive():
    world = scenario(ego=recorded(straight(v=8.0)))
    assert expert_progress(world, ROAD, straight()[0], 41) == (pytest.approx(32.0), "recorded")


def test_without_a_recorded_drive_the_expert_is_idm_at_the_limit():
    progress = expert_progress(scenario(), ROAD, straight(v=LIMIT)[0], 41)
    assert progress == (pytest.approx(40.0), "idm")
    slow = expert_progress(scenario(), ROAD, straight(v=0.0)[0], 41)
    assert 7.0 < slow.progress_m < 8.0  # 1 m/s^2 and less, for 4 s
    assert scored(straight(), expert=slow).expert == "idm"


def test_obstacles_must_be_known_for_all_steps():
    with pytest.raises(ShapeError, match="the trajectories have 41 steps, but the obstacles only 30"):
        scored(straight(), boxes=obstacles(straight(x=50.0, steps=30)))


def test_trajectories_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"wanted \(N, T, 4 or more\) with T >= 4"):
        scored(straight(steps=3))


RECORDED = np.zeros((10, 8, 3))
RECORDED[..., 0] = 10 * np.arange(1, 9)


def planned(offset=0.0, turn=0.0, frames=10, second=None):
    """The recorded poses with an offset and a turn in the first frames, at one second or at all."""
    plans = RECORDED.copy()
    seconds = slice(None) if second is None else second - 1
    plans[:frames, seconds, 1] += offset
    plans[:frames, seconds, 2] += turn
    return plans


def test_the_recorded_drive_itself_scores_one_in_open_loop():
    assert open_loop(RECORDED, RECORDED) == (1.0,) * 6


@pytest.mark.parametrize(("second", "limit"), [(3, 6.0), (5, 8.0), (8, 16.0)])
def test_a_plan_is_a_miss_beyond_6_8_and_16_metres(second, limit):
    assert open_loop(planned(limit - 0.01, second=second), RECORDED).miss_rate == 1
    assert open_loop(planned(limit + 0.01, second=second), RECORDED).miss_rate == 0


@pytest.mark.parametrize(("frames", "expected"), [(3, 1), (4, 0)])
def test_three_tenths_of_the_plans_may_be_misses(frames, expected):
    assert open_loop(planned(20.0, frames=frames), RECORDED).miss_rate == expected


def test_errors_of_8_m_and_0_8_rad_score_zero():
    scores = open_loop(planned(4.0, turn=2 * np.pi - 0.2), RECORDED)
    assert scores.average_displacement == scores.final_displacement == pytest.approx(0.5)
    assert (scores.average_heading, scores.final_heading) == pytest.approx((0.75, 0.75))
    assert scores.score == pytest.approx((0.5 + 0.5 + 2 * 0.75 + 2 * 0.75) / 6)
    assert open_loop(planned(5.9, turn=0.81), RECORDED)[4:] == (0, 0)
    assert open_loop(planned(8.01, frames=10), RECORDED).average_displacement == 0


def test_final_errors_are_taken_at_the_horizons():
    scores = open_loop(planned(2.4, second=8), RECORDED)
    assert scores.final_displacement == pytest.approx(1 - (2.4 / 3) / 8)
    assert scores.average_displacement == pytest.approx(1 - (2.4 / 8 / 3) / 8)


def test_plans_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"wanted \(F, 8, 3\) for both"):
        open_loop(RECORDED[:3], RECORDED)
