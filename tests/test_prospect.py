"""What proposals are chosen by, beside PDM's score."""

import numpy as np
import pytest
from streets import DT, street

from wm_planner.driving.prospect import BEND, CONSISTENCY, ROOM, Prospect
from wm_planner.simulation.driving import DrivingSimulator
from wm_planner.simulation.driving_view import view_of

H = 40


def looked(*speeds, turns=None, **how):
    """The outlook of going straight on, each at a speed of its own, from the start of a street."""
    view = view_of(DrivingSimulator(street(**how), DrivingSimulator.Config(picture=None)))
    states = np.zeros((len(speeds), H + 1, 6))
    states[..., :3] = view.ego[:3]
    states[..., 0] += np.outer(speeds, DT * np.arange(H + 1))
    states[..., 3] = np.array(speeds)[:, None]
    return Prospect(view, H, turns=turns).of(states)


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
