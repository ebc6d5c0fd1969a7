"""What proposals are chosen by, beside PDM's score."""

import numpy as np
import pytest
from streets import DT, parked, street

from wm_planner.driving.planners.proposal_scoring import (
    BEND,
    CONSISTENCY,
    ROOM,
    TURN_OUT_M,
    Prospect,
)
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.traffic.lane_following import LaneFollowing

H = 40


def looked(*speeds, turns=None, lived=None, **how):
    """The outlook of going straight on, each at a speed of its own, from the start of a street."""
    view = view_of(DrivingSimulator(street(**how), DrivingSimulator.Config(picture=None)))
    states = np.zeros((len(speeds), H + 1, 6))
    states[..., :3] = view.ego[:3]
    states[..., 0] += np.outer(speeds, DT * np.arange(H + 1))
    states[..., 3] = np.array(speeds)[:, None]
    return Prospect(view, H, turns=turns, lived=lived).of(states)


def test_who_closes_up_within_two_seconds_has_little_room_though_pdm_has_no_objection():
    outlook = looked(10.0, 6.0, agents=[(21.5, 0, 4.0)])  # 17 m behind: met after 2.9 s, and never
    assert outlook.pdm.ttc_step[1] == H + 1
    assert outlook.cramped[0] > outlook.cramped[1] == 0
    alone = looked(10.0, 6.0)
    assert (alone.cramped == 0).all()


def test_room_is_worth_its_share_of_the_score():
    outlook = looked(6.0, agents=[(21.5, 0, 4.0)])
    free = outlook.score[0]
    outlook = looked(6.0, agents=[(21.5, 0, 4.0)])
    outlook.cramped = np.array([1.0])
    assert outlook.score[0] == pytest.approx((1 - ROOM) * free, abs=2e-3)


def test_a_red_light_is_run_by_who_crosses_its_line_and_not_by_who_stops_or_finds_it_green():
    red = looked(20.0, 10.0, light=(("red", 200),), goal_x=200.0)  # the line is at 60 m
    assert red.runs_red.tolist() == [True, False]
    assert not looked(20.0, 10.0, light=(("green", 200),), goal_x=200.0).runs_red.any()
    late = looked(20.0, light=(("green", 25), ("red", 200)), goal_x=200.0)  # there after 2.9 s
    assert late.runs_red.all()


def test_bends_are_scored_as_bends_and_changes_of_lanes_only_minded():
    agents = [(30.0, 1, 8.0)]
    scored = looked(10.0, turns=np.array([-2 * BEND]), rows=2, agents=agents).prospect
    assert scored.others.states[20, 0, 2] == pytest.approx(-2 * BEND * 20 * DT)
    minded = looked(10.0, turns=np.array([-BEND / 2]), rows=2, agents=agents).prospect
    assert (minded.others.states[:, 0, 2] == 0).all()
    assert minded.turning.states[20, 0, 2] == pytest.approx(-BEND / 2 * 20 * DT)


def test_where_every_proposal_breaks_a_rule_the_one_that_gets_on_is_best():
    outlook = looked(1.0, 5.0, 10.0)
    outlook.pdm = outlook.pdm._replace(score=np.zeros(3), drivable_area=np.zeros(3))
    assert outlook.score.argmax() == 2
    assert outlook.score[0] < outlook.score[1] < outlook.score[2]


def test_consistency_weighs_as_much_as_the_terms_of_pdm():
    outlook = looked(10.0)
    outlook.consistent = np.array([0.0])
    assert outlook.prospect.consistency == CONSISTENCY
    assert outlook.score[0] == pytest.approx(0.5 * outlook.pdm.score[0], abs=2e-3)


def test_who_goes_on_into_oncoming_traffic_is_told_so_after_the_horizon():
    oncoming = [(110.0, 0, -8.0)]  # 110 m for the two to meet
    outlook = looked(12.0, 2.0, agents=oncoming)
    assert (outlook.hit_step == H + 1).all()
    assert outlook.faced[0] > outlook.faced[1] == 0
    assert (looked(12.0, agents=[(110.0, 0, 8.0)]).faced == 0).all()  # ahead, the same way


def test_from_a_standstill_right_behind_what_stands_nobody_turns_out():
    near, far = 11.0, 8.0  # m/s: the front ends 44 + half a length on, and 32
    outlook = looked(near, far, about={"obstacles": (parked(52.0),)})
    front = outlook.drives.vehicle.length_m / 2
    gap = 52.0 - 2.25 - (4.0 * near + outlook.drives.states[0, 0, 0] + front)
    assert outlook.cornered[0] == pytest.approx(1 - gap / TURN_OUT_M, abs=1e-6)
    assert outlook.cornered[1] == 0
    assert looked(near, about={"obstacles": (parked(52.0, y=6.0),)}).cornered == 0


def test_who_has_braked_a_moment_ago_feels_the_jolt_of_going_on():
    before = np.zeros((15, 6))
    before[:, 3] = 10.0 + 0.6 * np.arange(15)[::-1]
    before[:, 4] = -6.0
    assert looked(10.0).rough == 0
    assert looked(10.0, lived=before).rough > 0


def test_lanes_tell_where_who_keeps_to_them_will_be():
    view = looked(10.0, agents=[(30.0, 0, 8.0)]).prospect.view
    keeping = LaneFollowing(view.drive.situation.lanes)
    prospect = Prospect(view, H, turns=np.array([0.1]), lanes=keeping)
    np.testing.assert_allclose(prospect.others.states[:, 0, 1], 0.0, atol=1e-9)


def test_who_is_out_of_reach_is_not_looked_at():
    assert looked(10.0, agents=[(30.0, 0, 8.0), (390.0, 0, 0.0)]).prospect.others.kinds == ("car",)
