"""NAVSIM's scores: hand-made cases on either side of each threshold."""

import numpy as np
import pytest
from small_roads import DT, obstacles, road_context, straight, trajectories

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

ROAD = road_context()
INTERSECTION = road_context(inside=(1, 2))
EXPERT = ExpertProgress(40.0, "idm")
RULES = ("no_at_fault_collisions", "drivable_area", "driving_direction", "traffic_light")


def version_1(*states, boxes=None, expert=EXPERT):
    return pdms(trajectories(*states), boxes or obstacles(), ROAD, expert)


def version_2(*states, boxes=None, context=ROAD, expert=EXPERT, **fields):
    return epdms(trajectories(*states), boxes or obstacles(), context, expert, **fields)


def test_a_flawless_plan_scores_one():
    assert version_1(straight()).score == 1
    scores = version_2(straight(), previous=PreviousPlan(straight(x=5.0)[None], 5))
    assert scores.score == 1 and scores.expert == "idm" and not scores.human_filter


def test_scores_are_multipliers_times_weighted_means():
    boxes = obstacles(straight(x=30.0, v=0.0), kinds=["pillar"])
    one = version_1(straight(v=8.0), boxes=boxes)
    assert one.no_at_fault_collisions == 0.5
    mean = sum(weight * getattr(one, name) for name, weight in PDMS_WEIGHTS.items()) / 12
    np.testing.assert_allclose(one.score, 0.5 * mean)
    two = version_2(straight(v=8.0), boxes=boxes, previous=PreviousPlan(straight(x=5.0, v=9.0)[None], 5))
    mean = sum(weight * getattr(two, name) for name, weight in EPDMS_WEIGHTS.items()) / 16
    np.testing.assert_allclose(two.score, np.prod([getattr(two, name) for name in RULES], axis=0) * mean)


def test_extended_comfort_does_not_count_without_a_previous_plan():
    scores = version_2(straight(v=8.0))
    assert np.isnan(scores.extended_comfort)
    np.testing.assert_allclose(scores.score, (5 * 0.8 + 5 + 2 + 2) / 14)


def test_progress_is_relative_to_the_expert_and_version_1_multiplies_it_by_the_rules():
    boxes = obstacles(straight(x=40.0, v=0.0), kinds=["pillar"])
    np.testing.assert_allclose(version_2(straight(v=8.0), boxes=boxes).progress, 0.8)
    np.testing.assert_allclose(version_1(straight(v=8.0), boxes=boxes).progress, 0.4)
    slower = ExpertProgress(20.0, "recorded")
    assert version_2(straight(), expert=slower).progress == 1


@pytest.mark.parametrize(("expert_m", "ratio"), [(4.99, 1.0), (5.01, 4 / 5.01)])
def test_progress_is_full_where_the_expert_makes_less_than_five_metres(expert_m, ratio):
    expert = ExpertProgress(expert_m, "recorded")
    for score in (version_1, version_2):
        np.testing.assert_allclose(score(straight(v=1.0), expert=expert).progress, ratio)


def test_at_a_standstill_version_1_gives_no_progress_to_a_plan_that_breaks_a_rule():
    expert = ExpertProgress(0.0, "recorded")
    assert version_1(straight(v=0.0, y=-9.0), expert=expert).progress == 0
    assert version_2(straight(v=0.0, y=-9.0), expert=expert).progress == 1


@pytest.mark.parametrize(("offset", "score"), [(0.49, 1), (0.51, 0)])
def test_half_a_metre_off_the_centreline_keeps_the_lane(offset, score):
    assert version_2(straight(y=offset)).lane_keeping == score


@pytest.mark.parametrize(("steps", "score"), [(19, 1), (20, 0)])
def test_two_seconds_off_the_centreline_violate_lane_keeping(steps, score):
    once = straight()
    once[5 : 5 + steps, 1] = 0.6
    assert version_2(once).lane_keeping == score
    twice = straight()
    twice[:19, 1] = twice[20:39, 1] = 0.6
    assert version_2(twice).lane_keeping == 1


def test_lane_keeping_is_not_required_in_intersections():
    assert version_2(straight(y=0.6), context=INTERSECTION).lane_keeping == 1


def test_an_intersection_does_not_reset_the_time_off_the_centreline():
    """10 steps before it and 10 after it make 20."""
    road = road_context(inside=(2,))
    before = straight(x=80.0, y=0.6, steps=31)  # enters at x = 100 after 20 steps
    before[:10, 1] = 0.0
    assert version_2(before, context=road).lane_keeping == 1
    through = np.concatenate([before, straight(x=99.0, y=0.6, v=-10.0, steps=10)])
    assert version_2(through, context=road).lane_keeping == 0


@pytest.mark.parametrize(("distance", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_driving_2_and_6_m_off_the_route_within_a_second(distance, score):
    """The window spans eleven steps."""
    off_route = straight(y=7.0, v=distance / 11 / DT)
    assert version_2(off_route).driving_direction == score
    assert version_2(straight(y=7.0, v=1.0)).driving_direction == 1  # 4 m, but over 4 s


def test_intersections_have_no_driving_direction():
    assert version_2(straight(y=7.0), context=road_context(inside=(5,))).driving_direction == 1


RED = TrafficLight(21, (("green", 10), ("red", 60)))


@pytest.mark.parametrize(("first", "x", "score"), [(0, 91.0, 1), (0, 78.0, 0), (30, 91.0, 0), (30, 50.0, 1)])
def test_entering_a_lane_behind_a_red_light_is_a_violation(first, x, score):
    """The bumper starts at x + 2 and moves 40 m; the light at x = 100 is green until step 10."""
    assert (
        version_2(straight(x=x), context=road_context(lights=(RED,)), first_step=first).traffic_light == score
    )


def test_an_ego_already_on_the_lane_may_drive_on():
    assert version_2(straight(x=99.0), context=road_context(lights=(RED,)), first_step=30).traffic_light == 1


@pytest.mark.parametrize(("colour", "score"), [("yellow", 1), ("inactive", 1), ("redYellow", 0)])
def test_yellow_is_not_red(colour, score):
    light = TrafficLight(21, ((colour, 100),))
    assert version_2(straight(x=78.0), context=road_context(lights=(light,))).traffic_light == score


def test_history_counts_for_comfort():
    """The plan alone is smooth; after a history at another speed it begins with a jerk."""
    assert version_2(straight()).history_comfort == 1
    assert version_2(straight(), history=straight(v=10.0, steps=15)).history_comfort == 1
    assert version_2(straight(), history=straight(v=4.0, steps=15)).history_comfort == 0


def with_constant_change(name, amount):
    """A plan that differs from the previous one by a constant acceleration or yaw rate."""
    previous = np.column_stack([straight(v=20.0), np.zeros(41)])
    states = previous.copy()
    if name == "magnitude":
        states[:, 4] = amount
    else:
        states[:, 2] = amount * DT * np.arange(41)
        states[:, 3] = previous[:, 3] = 0.0  # no lateral acceleration
    return states, previous


@pytest.mark.parametrize("name", ["magnitude", "yaw_rate"])
def test_constant_changes_just_within_and_beyond_the_limit(name):
    for fraction, expected in ((0.98, 1), (1.02, 0)):
        states, previous = with_constant_change(name, fraction * EXTENDED_COMFORT_LIMITS[name])
        assert extended_comfort(trajectories(states), PreviousPlan(previous[None], 5)) == expected


def with_oscillation(name, amount):
    """Plans that differ by an oscillation of acceleration or yaw with the given RMS difference."""
    time = DT * np.arange(41)
    previous = np.column_stack([straight(v=0.0), np.full(41, 5.0 if name == "jerk" else 0.0)])
    states = previous.copy()
    column, period = (4, 1.6) if name == "jerk" else (2, 1.2)
    states[:, column] += np.sin(2 * np.pi * time / period)
    now, then = _plan_dynamics(trajectories(states[:-5])), _plan_dynamics(trajectories(previous[5:]))
    rms = np.sqrt(np.square(now[name] - then[name]).mean())
    states[:, column] = previous[:, column] + (states[:, column] - previous[:, column]) * amount / rms
    return states, previous


@pytest.mark.parametrize("name", ["jerk", "yaw_acceleration"])
def test_oscillations_just_within_and_beyond_the_limit(name):
    for fraction, expected in ((0.98, 1), (1.02, 0)):
        states, previous = with_oscillation(name, fraction * EXTENDED_COMFORT_LIMITS[name])
        assert extended_comfort(trajectories(states), PreviousPlan(previous[None], 5)) == expected


def test_the_same_plan_half_a_second_later_is_consistent():
    time = DT * np.arange(46)
    whole = np.stack([5 * time, 0 * time, 0.1 * np.sin(time), 5 + np.sin(time)], axis=1)
    assert extended_comfort(trajectories(whole[5:]), PreviousPlan(whole[None, :41], 5)) == 1
    assert extended_comfort(trajectories(whole[5:]), PreviousPlan(whole[None, 5:], 5)) == 0


def test_a_previous_plan_of_another_shape_is_refused():
    for states, steps in ((straight(steps=30), 5), (straight(), 0), (straight(), 41)):
        with pytest.raises(ShapeError, match="the previous plan has shape"):
            extended_comfort(trajectories(straight()), PreviousPlan(states[None], steps))


def test_subscores_that_the_human_fails_are_filtered():
    """The recorded drive leaves its lane; so does the plan, which is also slow."""
    plan = straight(y=0.8, v=5.0)
    assert version_2(plan).lane_keeping == 0
    filtered = version_2(plan, human=trajectories(straight(y=1.0)))
    assert filtered.lane_keeping == 1 and filtered.human_filter
    np.testing.assert_allclose(filtered.progress, 0.5)
    assert version_2(plan, human=trajectories(straight())).lane_keeping == 0


def test_only_a_zero_of_the_human_is_filtered():
    boxes = obstacles(straight(x=30.0, v=0.0), kinds=["pillar"])
    scores = version_2(straight(), boxes=boxes, human=trajectories(straight()))
    assert scores.no_at_fault_collisions == 0.5
