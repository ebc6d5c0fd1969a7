"""NAVSIM's scores: each threshold from both sides, by hand."""

import numpy as np
import pytest
from small_roads import DT, others, road_context, straight, trajectories

from wm_planner.driving.metrics.expert import ExpertProgress
from wm_planner.driving.metrics.navsim import (
    EPDMS_WEIGHTS,
    EXTENDED_COMFORT_LIMITS,
    PDMS_WEIGHTS,
    PreviousPlan,
    _plan_dynamics,
    epdms,
    extended_comfort,
    pdms,
)
from wm_planner.driving.scenarios.road import TrafficLight
from wm_planner.errors import ShapeError

HERE = road_context()
INSIDE = road_context(inside=(1, 2))
WANTED = ExpertProgress(40.0, "idm")
RULES = ("no_at_fault_collisions", "drivable_area", "driving_direction", "traffic_light")


def old(*states, among=None, wanted=WANTED):
    return pdms(trajectories(*states), among or others(), HERE, wanted)


def new(*states, among=None, where=HERE, wanted=WANTED, **about):
    return epdms(trajectories(*states), among or others(), where, wanted, **about)


def test_a_plan_without_fault_has_full_marks():
    assert old(straight()).score == 1
    found = new(straight(), earlier=PreviousPlan(straight(x=5.0)[None], 5))
    assert found.score == 1 and found.expert == "idm" and not found.human_filter


def test_scores_are_multipliers_times_weighted_means():
    among = others(straight(x=30.0, v=0.0), kinds=["pillar"])
    one = old(straight(v=8.0), among=among)
    assert one.no_at_fault_collisions == 0.5
    mean = sum(weight * getattr(one, name) for name, weight in PDMS_WEIGHTS.items()) / 12
    np.testing.assert_allclose(one.score, 0.5 * mean)
    two = new(straight(v=8.0), among=among, earlier=PreviousPlan(straight(x=5.0, v=9.0)[None], 5))
    mean = sum(weight * getattr(two, name) for name, weight in EPDMS_WEIGHTS.items()) / 16
    np.testing.assert_allclose(two.score, np.prod([getattr(two, name) for name in RULES], axis=0) * mean)


def test_without_an_earlier_plan_extended_comfort_is_no_part():
    found = new(straight(v=8.0))
    assert np.isnan(found.extended_comfort)
    np.testing.assert_allclose(found.score, (5 * 0.8 + 5 + 2 + 2) / 14)


def test_progress_is_the_share_of_the_experts_and_version_1_takes_it_of_what_keeps_the_rules():
    among = others(straight(x=40.0, v=0.0), kinds=["pillar"])
    np.testing.assert_allclose(new(straight(v=8.0), among=among).progress, 0.8)
    np.testing.assert_allclose(old(straight(v=8.0), among=among).progress, 0.4)
    quicker = ExpertProgress(20.0, "recorded")
    assert new(straight(), wanted=quicker).progress == 1


@pytest.mark.parametrize(("wanted", "share"), [(4.99, 1.0), (5.01, 4 / 5.01)])
def test_up_to_five_metres_count_as_a_standstill(wanted, share):
    expert = ExpertProgress(wanted, "recorded")
    for score in (old, new):
        np.testing.assert_allclose(score(straight(v=1.0), wanted=expert).progress, share)


def test_at_a_standstill_version_1_gives_nothing_to_who_breaks_a_rule():
    expert = ExpertProgress(0.0, "recorded")
    assert old(straight(v=0.0, y=-9.0), wanted=expert).progress == 0
    assert new(straight(v=0.0, y=-9.0), wanted=expert).progress == 1


@pytest.mark.parametrize(("off", "score"), [(0.49, 1), (0.51, 0)])
def test_half_a_metre_off_the_centre_is_in_the_lane(off, score):
    assert new(straight(y=off)).lane_keeping == score


@pytest.mark.parametrize(("steps", "score"), [(19, 1), (20, 0)])
def test_two_seconds_off_the_centre_are_too_long(steps, score):
    aside = straight()
    aside[5 : 5 + steps, 1] = 0.6
    assert new(aside).lane_keeping == score
    apart = straight()
    apart[:19, 1] = apart[20:39, 1] = 0.6
    assert new(apart).lane_keeping == 1


def test_in_intersections_lanes_need_not_be_kept():
    assert new(straight(y=0.6), where=INSIDE).lane_keeping == 1


def test_an_intersection_does_not_end_the_time_off_the_centre():
    """10 steps before it and 10 behind it make 20."""
    passing = road_context(inside=(2,))
    before = straight(x=80.0, y=0.6, steps=31)  # enters at x = 100 after 20 steps
    before[:10, 1] = 0.0
    assert new(before, where=passing).lane_keeping == 1
    through = np.concatenate([before, straight(x=99.0, y=0.6, v=-10.0, steps=10)])
    assert new(through, where=passing).lane_keeping == 0


@pytest.mark.parametrize(("way", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_two_and_six_metres_off_the_route_within_a_second(way, score):
    """Eleven steps lie in the window."""
    aside = straight(y=7.0, v=way / 11 / DT)
    assert new(aside).driving_direction == score
    assert new(straight(y=7.0, v=1.0)).driving_direction == 1  # 4 m, but over 4 s


def test_in_intersections_there_is_no_direction():
    assert new(straight(y=7.0), where=road_context(inside=(5,))).driving_direction == 1


RED = TrafficLight(21, (("green", 10), ("red", 60)))


@pytest.mark.parametrize(("first", "x", "score"), [(0, 91.0, 1), (0, 78.0, 0), (30, 91.0, 0), (30, 50.0, 1)])
def test_a_lane_behind_a_red_light_may_not_be_entered(first, x, score):
    """The bumper is at x + 2, the light at 100, green until step 10; 40 m are driven."""
    assert new(straight(x=x), where=road_context(lights=(RED,)), first_step=first).traffic_light == score


def test_who_was_on_the_lane_already_may_go_on():
    assert new(straight(x=99.0), where=road_context(lights=(RED,)), first_step=30).traffic_light == 1


@pytest.mark.parametrize(("colour", "score"), [("yellow", 1), ("inactive", 1), ("redYellow", 0)])
def test_yellow_is_not_red(colour, score):
    light = TrafficLight(21, ((colour, 100),))
    assert new(straight(x=78.0), where=road_context(lights=(light,))).traffic_light == score


def test_history_is_felt_too():
    """Alone the plan is smooth; after a drive at another speed it begins with a jerk."""
    assert new(straight()).history_comfort == 1
    assert new(straight(), history=straight(v=10.0, steps=15)).history_comfort == 1
    assert new(straight(), history=straight(v=4.0, steps=15)).history_comfort == 0


def steady(name, amount):
    """A plan that differs from its predecessor by a constant acceleration or yaw rate."""
    earlier = np.column_stack([straight(v=20.0), np.zeros(41)])
    states = earlier.copy()
    if name == "magnitude":
        states[:, 4] = amount
    else:
        states[:, 2] = amount * DT * np.arange(41)
        states[:, 3] = earlier[:, 3] = 0.0  # or it would be felt as acceleration too
    return states, earlier


@pytest.mark.parametrize("name", ["magnitude", "yaw_rate"])
def test_each_change_parts_just_within_from_just_beyond(name):
    for share, kept in ((0.98, 1), (1.02, 0)):
        states, earlier = steady(name, share * EXTENDED_COMFORT_LIMITS[name])
        assert extended_comfort(trajectories(states), PreviousPlan(earlier[None], 5)) == kept


def waved(name, amount):
    """Plans that differ by a quick wave of acceleration or yaw, which has that root mean square."""
    time = DT * np.arange(41)
    earlier = np.column_stack([straight(v=0.0), np.full(41, 5.0 if name == "jerk" else 0.0)])
    states = earlier.copy()
    column, period = (4, 1.6) if name == "jerk" else (2, 1.2)
    states[:, column] += np.sin(2 * np.pi * time / period)
    now, then = _plan_dynamics(trajectories(states[:-5])), _plan_dynamics(trajectories(earlier[5:]))
    root = np.sqrt(np.square(now[name] - then[name]).mean())
    states[:, column] = earlier[:, column] + (states[:, column] - earlier[:, column]) * amount / root
    return states, earlier


@pytest.mark.parametrize("name", ["jerk", "yaw_acceleration"])
def test_each_wave_parts_just_within_from_just_beyond(name):
    for share, kept in ((0.98, 1), (1.02, 0)):
        states, earlier = waved(name, share * EXTENDED_COMFORT_LIMITS[name])
        assert extended_comfort(trajectories(states), PreviousPlan(earlier[None], 5)) == kept


def test_the_same_plan_half_a_second_later_has_not_changed():
    time = DT * np.arange(46)
    whole = np.stack([5 * time, 0 * time, 0.1 * np.sin(time), 5 + np.sin(time)], axis=1)
    assert extended_comfort(trajectories(whole[5:]), PreviousPlan(whole[None, :41], 5)) == 1
    assert extended_comfort(trajectories(whole[5:]), PreviousPlan(whole[None, 5:], 5)) == 0


def test_an_earlier_plan_must_fit():
    for states, steps in ((straight(steps=30), 5), (straight(), 0), (straight(), 41)):
        with pytest.raises(ShapeError, match="the earlier plan has shape"):
            extended_comfort(trajectories(straight()), PreviousPlan(states[None], steps))


def test_where_the_human_fails_nobody_else_can():
    """The recorded drive leaves its lane; the plan does too, and is slow."""
    plan = straight(y=0.8, v=5.0)
    assert new(plan).lane_keeping == 0
    filtered = new(plan, human=trajectories(straight(y=1.0)))
    assert filtered.lane_keeping == 1 and filtered.human_filter
    np.testing.assert_allclose(filtered.progress, 0.5)
    assert new(plan, human=trajectories(straight())).lane_keeping == 0


def test_only_a_zero_of_the_human_is_filtered():
    among = others(straight(x=30.0, v=0.0), kinds=["pillar"])
    found = new(straight(), among=among, human=trajectories(straight()))
    assert found.no_at_fault_collisions == 0.5
