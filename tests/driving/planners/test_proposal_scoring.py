"""Terms of the proposal score that PDM's score does not have."""

import numpy as np
import pytest
from streets import DT, parked, street

from wm_planner.driving.planners.base import build_driver
from wm_planner.driving.planners.proposal_scoring import ScoringContext
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.traffic.lane_following import LaneFollowingForecaster
from wm_planner.errors import ConfigError

H = 40
SCORING = ScoringContext.Config()


def score(*speeds, config=SCORING, yaw_rates=None, ego_history=None, **scene):
    """Score going straight on from the start of a street, one proposal per speed."""
    view = view_of(DrivingSimulator(street(**scene), DrivingSimulator.Options(picture=None)))
    states = np.zeros((len(speeds), H + 1, 6))
    states[..., :3] = view.ego[:3]
    states[..., 0] += np.outer(speeds, DT * np.arange(H + 1))
    states[..., 3] = np.array(speeds)[:, None]
    context = ScoringContext(view, H, yaw_rates=yaw_rates, ego_history=ego_history, config=config)
    return context.evaluate(states)


def test_extended_ttc_is_violated_within_two_seconds_where_pdm_sees_no_conflict():
    scored = score(10.0, 6.0, agents=[(21.5, 0, 4.0)])  # gap of 17 m: contact after 2.9 s, and never
    assert scored.pdm.ttc_step[1] == H + 1
    assert scored.extended_ttc_violation[0] > scored.extended_ttc_violation[1] == 0
    alone = score(10.0, 6.0)
    assert (alone.extended_ttc_violation == 0).all()


def test_the_extended_ttc_penalty_is_a_fraction_of_the_score():
    scored = score(6.0, agents=[(21.5, 0, 4.0)])
    free = scored.score[0]
    scored = score(6.0, agents=[(21.5, 0, 4.0)])
    scored.extended_ttc_violation = np.array([1.0])
    assert scored.score[0] == pytest.approx((1 - SCORING.extended_ttc_penalty) * free, abs=2e-3)


def test_crossing_the_stop_line_of_a_red_light_counts_and_stopping_or_green_does_not():
    red = score(20.0, 10.0, light=(("red", 200),), goal_x=200.0)  # the line is at 60 m
    assert red.runs_red_light.tolist() == [True, False]
    assert not score(20.0, 10.0, light=(("green", 200),), goal_x=200.0).runs_red_light.any()
    late = score(20.0, light=(("green", 25), ("red", 200)), goal_x=200.0)  # crossed after 2.9 s
    assert late.runs_red_light.all()


def test_high_yaw_rates_are_predicted_as_turns_and_lane_changes_only_in_the_second_forecast():
    agents, turn = [(30.0, 1, 8.0)], SCORING.turn_yaw_rate
    context = score(10.0, yaw_rates=np.array([-2 * turn]), rows=2, agents=agents).context
    assert context.obstacles.states[20, 0, 2] == pytest.approx(-2 * turn * 20 * DT)
    context = score(10.0, yaw_rates=np.array([-turn / 2]), rows=2, agents=agents).context
    assert (context.obstacles.states[:, 0, 2] == 0).all()
    assert context.turning_obstacles.states[20, 0, 2] == pytest.approx(-turn / 2 * 20 * DT)


def test_where_every_proposal_is_off_the_road_the_one_with_most_progress_wins():
    scored = score(1.0, 5.0, 10.0)
    scored.pdm = scored.pdm._replace(score=np.zeros(3), drivable_area=np.zeros(3))
    assert scored.score.argmax() == 2
    assert scored.score[0] < scored.score[1] < scored.score[2]


def test_consistency_weighs_as_much_as_all_terms_of_pdm():
    scored = score(10.0)
    scored.plan_consistency = np.array([0.0])
    assert scored.score[0] == pytest.approx(0.5 * scored.pdm.score[0], abs=2e-3)


def test_consistency_does_not_count_at_weight_zero():
    scored = score(10.0, config=ScoringContext.Config(consistency_weight=0.0))
    scored.plan_consistency = np.array([0.0])
    assert scored.score[0] == pytest.approx(scored.pdm.score[0], abs=2e-3)


def test_a_conflict_with_oncoming_traffic_after_the_horizon_is_found():
    oncoming = [(110.0, 0, -8.0)]  # 110 m apart
    scored = score(12.0, 2.0, agents=oncoming)
    assert (scored.contact_step == H + 1).all()
    assert scored.oncoming_conflict[0] > scored.oncoming_conflict[1] == 0
    assert (score(12.0, agents=[(110.0, 0, 8.0)]).oncoming_conflict == 0).all()  # same direction


def test_ending_up_right_behind_a_static_obstacle_counts_as_blocked():
    near, far = 11.0, 8.0  # m/s: the front ends 44 m plus half a length ahead, and 32 m
    scored = score(near, far, fields={"obstacles": (parked(52.0),)})
    front = scored.trajectories.vehicle.length_m / 2
    gap = 52.0 - 2.25 - (4.0 * near + scored.trajectories.states[0, 0, 0] + front)
    assert scored.blocked_at_end[0] == pytest.approx(1 - gap / SCORING.swerve_gap_m, abs=1e-6)
    assert scored.blocked_at_end[1] == 0
    assert score(near, fields={"obstacles": (parked(52.0, y=6.0),)}).blocked_at_end == 0


def test_comfort_is_evaluated_together_with_the_ego_history():
    braking = np.zeros((15, 6))
    braking[:, 3] = 10.0 + 0.6 * np.arange(15)[::-1]
    braking[:, 4] = -6.0
    assert score(10.0).comfort_violation == 0
    assert score(10.0, ego_history=braking).comfort_violation > 0


def test_agents_that_follow_their_lane_are_predicted_along_it():
    view = score(10.0, agents=[(30.0, 0, 8.0)]).context.view
    lanes = LaneFollowingForecaster(view.drive.road_context.lanes)
    context = ScoringContext(view, H, yaw_rates=np.array([0.1]), lane_following=lanes)
    np.testing.assert_allclose(context.obstacles.states[:, 0, 1], 0.0, atol=1e-9)


def test_agents_out_of_reach_are_ignored():
    context = score(10.0, agents=[(30.0, 0, 8.0), (390.0, 0, 0.0)]).context
    assert context.obstacles.kinds == ("car",)


def test_a_driver_takes_its_scoring_from_its_config():
    driver = build_driver({"type": "cem", "scoring": {"red_light_factor": 0.5}}, "here")
    assert driver.config.scoring == ScoringContext.Config(red_light_factor=0.5)


@pytest.mark.parametrize(
    ("scoring", "reason"),
    [
        ({"contact_factor": 1.5}, r"here\.scoring\.contact_factor: got 1\.5, wanted .* <= 1\.0"),
        ({"swerve_gap_m": 0.0}, r"here\.scoring\.swerve_gap_m: got 0\.0, wanted .* > 0\.0"),
        ({"oncoming_steps": [4, 2]}, r"here\.scoring: oncoming_steps is \[4, 2\], wanted .* ascending"),
        ({"extended_ttc_steps": []}, r"here\.scoring: extended_ttc_steps is \[\], wanted .* ascending"),
        ({"red_light": 0.5}, r"here\.scoring: unknown key 'red_light', did you mean 'red_light_factor'"),
    ],
)
def test_scoring_out_of_range_is_refused(scoring, reason):
    with pytest.raises(ConfigError, match=reason):
        build_driver({"type": "cem", "scoring": scoring}, "here")
