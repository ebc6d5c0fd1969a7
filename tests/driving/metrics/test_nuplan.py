"""Each threshold of nuPlan's scores: a case on either side of it, by hand."""

import numpy as np
import pytest
from small_roads import CAR, DT, LIMIT, others, recorded, road_context, scenario, straight, trajectories

from wm_planner.driving.metrics.contacts import contacts
from wm_planner.driving.metrics.expert import ExpertProgress, expert_progress
from wm_planner.driving.metrics.nuplan import WEIGHTS, closed_loop
from wm_planner.driving.metrics.nuplan_open_loop import open_loop
from wm_planner.errors import ShapeError

HERE = road_context()
INSIDE = road_context(inside=(1, 2))  # an intersection everywhere
WANTED = ExpertProgress(40.0, "recorded")


def scored(*states, among=None, where=HERE, wanted=WANTED):
    return closed_loop(trajectories(*states), among or others(), where, wanted)


def blamed(state, other, kind="car", size=(4.0, 2.0), where=HERE):
    """Whether the ego is to blame for its only contact; None without one."""
    found = contacts(trajectories(state), others(other, kinds=[kind], sizes=[size]), where)
    return bool(found.at_fault[0]) if len(found.at_fault) else None


def test_a_drive_without_fault_has_full_marks():
    found = scored(straight())
    assert found.score == 1 and found.expert == "recorded"
    assert found.progress_m == pytest.approx(40.0)


def test_the_score_is_the_multipliers_times_the_weighted_mean():
    found = scored(straight(v=10.4))
    mean = sum(weight * getattr(found, name)[0] for name, weight in WEIGHTS.items()) / 16
    assert 0.8 < found.speed_limit[0] < 1 and found.score[0] == pytest.approx(mean)
    assert scored(straight(y=-10.0)).score == 0


@pytest.mark.parametrize(("x", "score"), [(53.99, 0), (54.01, 1)])
def test_driving_into_a_car_from_behind_is_the_egos_fault(x, score):
    """Its bumper ends at 52 m."""
    for speed in (0.0, 0.5):
        ahead = straight(x=x - 4 * speed, v=speed)
        assert scored(straight(), among=others(ahead)).no_at_fault_collisions == score


def test_who_is_run_into_from_behind_is_not_to_blame():
    assert blamed(straight(v=5.0), straight(x=-2.0, v=12.0)) is False


@pytest.mark.parametrize(("speed", "fault"), [(0.049, False), (0.051, True)])
def test_a_standing_ego_is_not_to_blame(speed, fault):
    assert blamed(straight(v=speed), straight(x=20.0, v=-8.0)) is fault


@pytest.mark.parametrize(("speed", "fault"), [(0.049, True), (0.051, False)])
def test_touching_what_stands_is_the_egos_fault_from_whatever_side(speed, fault):
    aside = straight(x=21.0, y=1.9, v=speed)
    assert blamed(straight(x=25.0, v=1.0), aside) is fault


@pytest.mark.parametrize(("y", "fault"), [(0.74, False), (0.76, True)])
def test_touching_sideways_is_the_egos_fault_between_lanes(y, fault):
    """The other comes from the left beside the ego, into its door."""
    other = straight(x=30.0, y=y + 6.0, v=6.0, yaw=-np.pi / 2)
    other[:, 0] += 10.0 * DT * np.arange(41)
    assert blamed(straight(x=30.0, y=y), other) is fault


@pytest.mark.parametrize(("angle", "fault"), [(149.0, True), (151.0, False)])
def test_from_150_degrees_on_the_other_is_behind(angle, fault):
    """A wide other overlaps all of the ego, with its centre in that direction from the rear axle."""
    rear = np.array([10.0 - CAR.rear_to_centre_m, 0.0])
    x, y = rear + 2.0 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    assert blamed(straight(), straight(x=x, y=y, v=10.0), size=(12.0, 6.0)) is fault


def test_only_the_first_contact_with_each_counts():
    """It touches from behind first, and is still touched when the ego could be blamed."""
    ego = straight(v=5.0)
    other = straight(x=5.9, v=5.2)
    other[20:, 3] = 0.0
    assert blamed(ego, other) is False


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
def test_objects_cost_half_and_road_users_everything(kinds, score):
    ahead = [straight(x=30.0, v=0.0)] * len(kinds)
    assert scored(straight(), among=others(*ahead, kinds=kinds)).no_at_fault_collisions == score


def test_two_boxes_of_one_object_are_one_object():
    fence = others(straight(x=30.0, v=0.0), straight(x=30.0, y=0.5, v=0.0), kinds=["pillar"] * 2)
    assert scored(straight(), among=fence).no_at_fault_collisions == 0
    fence.object_ids[:] = 7
    assert scored(straight(), among=fence).no_at_fault_collisions == 0.5


@pytest.mark.parametrize(("off", "score"), [(0.299, 1), (0.301, 0)])
def test_a_corner_may_be_30_cm_off_the_road(off, score):
    assert scored(straight(y=-0.75 - off)).drivable_area == score


@pytest.mark.parametrize(("way", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_two_and_six_metres_against_the_lane_within_a_second(way, score):
    """Eleven steps lie in the window."""
    oncoming = straight(x=100.0, y=7.0, v=way / 11 / DT)
    assert scored(oncoming).driving_direction == score
    slowly = straight(x=100.0, y=7.0, v=1.0)
    assert scored(slowly).driving_direction == 1  # 4 m, but over 4 s


def test_with_the_lane_nothing_is_against_it():
    assert scored(straight(x=100.0, y=7.0, v=8.0, yaw=np.pi)).driving_direction == 1


@pytest.mark.parametrize(("share", "made"), [(0.199, 0), (0.201, 1)])
def test_a_fifth_of_the_experts_progress_is_progress(share, made):
    found = scored(straight(v=share * 10.0))
    assert found.making_progress == made
    assert found.progress == pytest.approx(share)


@pytest.mark.parametrize(("gained", "wanted", "share"), [(1.0, 1.5, 1.0), (1.0, 4.0, 0.5), (3.0, 4.0, 0.75)])
def test_up_to_two_metres_are_two_metres_of_progress(gained, wanted, share):
    found = scored(straight(v=gained / 4), wanted=ExpertProgress(wanted, "recorded"))
    assert found.progress == pytest.approx(share)


@pytest.mark.parametrize(("back", "share"), [(1.99, 0.05), (2.01, 0.0)])
def test_going_back_two_metres_is_no_progress(back, share):
    assert scored(straight(v=-back / 4)).progress == pytest.approx(share)


def test_progress_ends_where_the_route_is_left():
    leaving = straight()
    leaving[21:, 1] = -5.0
    assert scored(leaving).progress_m == pytest.approx(20.0)


@pytest.mark.parametrize(("gap", "least", "kept"), [(1.195, 0.9, 0), (1.205, 1.0, 1)])
def test_a_collision_within_95_hundredths_of_a_second(gap, least, kept):
    """The gap closes by 1 m/s; three steps later 0.895 or 0.905 m are left."""
    ahead = others(straight(x=14.0 + gap, v=9.0, steps=4))
    found = scored(straight(steps=4), among=ahead)
    assert found.least_time_to_collision == pytest.approx(least)
    assert found.time_to_collision == kept


@pytest.mark.parametrize(("gap", "least"), [(3.19, 2.9), (3.21, np.inf)])
def test_three_seconds_are_looked_ahead(gap, least):
    ahead = others(straight(x=14.0 + gap, v=9.0, steps=4))
    assert scored(straight(steps=4), among=ahead).least_time_to_collision == pytest.approx(least)


def crossing(angle):
    """Comes from the side and would be hit in 0.9 s, seen from the rear axle at that angle."""
    reach = 12.0
    x, y = 10.0 - CAR.rear_to_centre_m + reach * np.cos(angle), reach * np.sin(angle)
    other = straight(x=x, y=y, v=y / 0.9, yaw=-np.pi / 2, steps=4)
    other[1:] = np.nan
    return others(other)


@pytest.mark.parametrize(("angle", "asked"), [(29.0, True), (31.0, False)])
def test_only_what_is_within_30_degrees_is_ahead(angle, asked):
    found = scored(straight(steps=4), among=crossing(np.deg2rad(angle)))
    assert np.isfinite(found.least_time_to_collision) == asked


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_between_lanes_and_in_intersections_what_is_beside_counts_too(y):
    among = crossing(np.deg2rad(31.0))
    inside = scored(straight(y=y, steps=4), among=among, where=INSIDE)
    assert np.isfinite(inside.least_time_to_collision)
    outside = scored(straight(y=y, steps=4), among=among)
    assert np.isfinite(outside.least_time_to_collision) == (y > 0.75)


@pytest.mark.parametrize(("angle", "asked"), [(149.0, True), (151.0, False)])
def test_what_is_behind_is_never_asked_for(angle, asked):
    rear = np.array([10.0 - CAR.rear_to_centre_m, 0.0])
    x, y = rear + 8.0 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    other = straight(x=x, y=y, v=20.0, yaw=np.arctan2(-y, 12.0 - x), steps=4)
    other[1:] = np.nan
    found = scored(straight(v=2.0, steps=4), among=others(other), where=INSIDE)
    assert np.isfinite(found.least_time_to_collision) == asked


@pytest.mark.parametrize(("speed", "asked"), [(0.0049, False), (0.0051, True)])
def test_an_ego_that_stands_is_not_asked(speed, asked):
    towards = others(straight(x=30.0, v=-10.0, steps=4))
    found = scored(straight(v=speed, steps=4), among=towards)
    assert np.isfinite(found.least_time_to_collision) == asked


def test_a_collision_at_fault_leaves_no_time_and_one_without_is_not_asked_for():
    hit = scored(straight(), among=others(straight(x=30.0, v=0.0)))
    assert hit.least_time_to_collision == 0
    behind = scored(straight(v=5.0), among=others(straight(x=5.5, v=5.2)))
    assert np.isinf(behind.least_time_to_collision)


@pytest.mark.parametrize(("over", "score"), [(0.0, 1.0), (1.115, 0.4875), (2.17, 0.0025), (2.23, 0.0)])
def test_speeding_by_223_all_the_time_leaves_nothing(over, score):
    """41 steps last 4 s: what the sum takes is 41 / 40 of the mean."""
    assert scored(straight(v=LIMIT + over)).speed_limit == pytest.approx(score, abs=2e-3)


def test_off_the_lanes_there_is_no_limit():
    assert scored(straight(y=-20.0, v=30.0)).speed_limit == 1


def test_hard_braking_is_not_comfortable():
    for braking, kept in ((3.9, 1), (4.2, 0)):
        braked = straight(v=20.0)
        braked[:, 3] -= braking * DT * np.arange(41)
        assert scored(braked).comfort == kept


def test_many_drives_are_judged_as_each_alone():
    among = others(straight(x=35.0, v=3.0), straight(x=60.0, y=3.5, v=9.0))
    each = [straight(v=v, y=y) for v, y in ((10, 0), (4, 0.9), (12, 3.0), (8, 7.0))]
    together = scored(*each, among=among)
    for n, one in enumerate(each):
        alone = scored(one, among=among)
        for name in alone._fields[:-1]:
            np.testing.assert_array_equal(getattr(together, name)[n], getattr(alone, name)[0])


def test_the_expert_is_the_recorded_drive():
    world = scenario(ego=recorded(straight(v=8.0)))
    assert expert_progress(world, HERE, straight()[0], 41) == (pytest.approx(32.0), "recorded")


def test_without_a_recorded_drive_the_expert_is_idm_at_the_limit():
    found = expert_progress(scenario(), HERE, straight(v=LIMIT)[0], 41)
    assert found == (pytest.approx(40.0), "idm")
    slow = expert_progress(scenario(), HERE, straight(v=0.0)[0], 41)
    assert 7.0 < slow.progress_m < 8.0  # 1 m/s^2 and less, for 4 s
    assert scored(straight(), wanted=slow).expert == "idm"


def test_others_must_be_known_as_long():
    with pytest.raises(ShapeError, match="trajectories of 41 steps among others known for 30"):
        scored(straight(), among=others(straight(x=50.0, steps=30)))


def test_drives_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"wanted \(N, T, 4 or more\) with T >= 4"):
        scored(straight(steps=3))


DROVE = np.zeros((10, 8, 3))
DROVE[..., 0] = 10 * np.arange(1, 9)


def planned(away=0.0, turned=0.0, frames=10, second=None):
    """Plans that are so far aside in some frames, at one second or at all."""
    plans = DROVE.copy()
    seconds = slice(None) if second is None else second - 1
    plans[:frames, seconds, 1] += away
    plans[:frames, seconds, 2] += turned
    return plans


def test_the_recorded_drive_itself_has_full_marks_in_the_open_loop():
    assert open_loop(DROVE, DROVE) == (1.0,) * 6


@pytest.mark.parametrize(("second", "limit"), [(3, 6.0), (5, 8.0), (8, 16.0)])
def test_a_plan_misses_beyond_6_8_and_16_metres(second, limit):
    assert open_loop(planned(limit - 0.01, second=second), DROVE).miss_rate == 1
    assert open_loop(planned(limit + 0.01, second=second), DROVE).miss_rate == 0


@pytest.mark.parametrize(("frames", "kept"), [(3, 1), (4, 0)])
def test_three_tenths_of_the_plans_may_miss(frames, kept):
    assert open_loop(planned(20.0, frames=frames), DROVE).miss_rate == kept


def test_eight_metres_and_eight_tenths_of_a_radian_leave_nothing():
    found = open_loop(planned(4.0, turned=2 * np.pi - 0.2), DROVE)
    assert found.average_displacement == found.final_displacement == pytest.approx(0.5)
    assert (found.average_heading, found.final_heading) == pytest.approx((0.75, 0.75))
    assert found.score == pytest.approx((0.5 + 0.5 + 2 * 0.75 + 2 * 0.75) / 6)
    assert open_loop(planned(5.9, turned=0.81), DROVE)[4:] == (0, 0)
    assert open_loop(planned(8.01, frames=10), DROVE).average_displacement == 0


def test_final_errors_are_those_at_the_horizons():
    found = open_loop(planned(2.4, second=8), DROVE)
    assert found.final_displacement == pytest.approx(1 - (2.4 / 3) / 8)
    assert found.average_displacement == pytest.approx(1 - (2.4 / 8 / 3) / 8)


def test_plans_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"wanted \(F, 8, 3\) both"):
        open_loop(DROVE[:3], DROVE)
