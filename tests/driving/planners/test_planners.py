"""Drivers on hand-made streets."""

import numpy as np
import pytest
from streets import DT, parked, street

from wm_planner.driving.geometry.polynomials import evaluate, quartic, quintic
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.pdm import pdm_score
from wm_planner.driving.planners.base import DRIVERS
from wm_planner.driving.planners.following import IDMPolicies, follow_path
from wm_planner.driving.planners.pdm_closed import braking_poses, track_proposals
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.traffic.car_following import IDM
from wm_planner.driving.vehicle.tracker import Tracker

NAMES = ("constant_velocity", "idm", "frenet", "pdm_closed", "cem", "mppi")
REACTING = tuple(name for name in NAMES if name != "constant_velocity")


def simulated(scenario, **config):
    return DrivingSimulator(scenario, DrivingSimulator.Options(picture=None, **config))


def drive(simulator, planner, steps):
    for _ in range(steps):
        simulator.follow(planner.plan(view_of(simulator)))
    return simulator


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_starts_at_the_ego_is_finite_and_reproducible(name):
    simulator = simulated(street([(40.0, 0, 6.0)], rows=2))
    plans = [DRIVERS.build({"type": name}, "here").plan(view_of(simulator)) for _ in range(2)]
    assert plans[0].shape == (41, 3)
    assert np.isfinite(plans[0]).all()
    np.testing.assert_allclose(plans[0][0], simulator.now.ego[:3], atol=0.2)
    np.testing.assert_array_equal(*plans)


@pytest.mark.parametrize("name", REACTING)
def test_no_driver_hits_a_slow_car(name):
    simulator = simulated(street([(25.0, 0, 3.0)]))
    drive(simulator, DRIVERS.build({"type": name}, "here"), 45)
    assert not simulator.now.failed
    assert simulator.now.ego[3] == pytest.approx(3.0, abs=1.5)


@pytest.mark.parametrize("name", ("pdm_closed", "cem"))
def test_the_driver_stops_at_a_red_light(name):
    simulator = simulated(street(light=(("red", 200),), goal_x=200.0))
    drive(simulator, DRIVERS.build({"type": name}, "here"), 80)
    front = simulator.vehicle.at_centre(simulator.now.ego)[0] + simulator.vehicle.length_m / 2
    assert 50.0 < front < 60.5


def test_an_obstacle_close_ahead_leads_to_an_emergency_brake():
    simulator = simulated(street(fields={"obstacles": (parked(17.0),)}))
    drive(simulator, DRIVERS.build({"type": "pdm_closed"}, "here"), 12)
    assert simulator.now.ego[3] < 6.0


def test_cem_passes_a_parked_car_where_pdm_closed_stops_behind_it():
    scenario = street(rows=2, steps=90, fields={"obstacles": (parked(45.0),)}, goal_x=75.0)
    stopped = drive(simulated(scenario), DRIVERS.build({"type": "pdm_closed"}, "here"), 75)
    passed = drive(simulated(scenario), DRIVERS.build({"type": "cem"}, "here"), 75)
    assert stopped.now.ego[0] < 45.0
    assert not passed.now.failed
    assert passed.now.ego[0] > 55.0


def test_cems_choice_scores_no_less_than_pdm_closeds():
    simulator = simulated(street([(30.0, 0, 5.0), (12.0, 1, 11.0)], rows=2))
    planner = DRIVERS.build({"type": "cem"}, "here")
    for _ in range(6):
        poses = planner.plan(view_of(simulator))
        scores = planner.scored.score
        rules = planner.scored.pdm.score[:15].argmax()
        assert scores[planner.chosen] >= scores[rules]
        simulator.follow(poses)


def test_policies_follow_the_leader_at_their_offset():
    view = view_of(simulated(street([(30.0, 0, 5.0)])))
    s = follow_path(view, IDMPolicies.grid((0.0, 4.0), (1.0,)), IDM(acceleration=1.5, braking=3.0), 40)
    travelled = s[:, -1] - s[0, 0]
    assert travelled[0] < 30.0 + 5.0 * 40 * DT - 4.5
    assert travelled[1] > travelled[0] + 10.0


def test_braking_poses_stop_and_stay():
    view = view_of(simulated(street()))
    poses = braking_poses(view, 40, 4.0)
    assert poses[-1, 0] - poses[0, 0] == pytest.approx(10.0**2 / 8.0)
    np.testing.assert_array_equal(poses[-1], poses[-2])


def test_tracked_proposals_can_be_scored():
    view = view_of(simulated(street()))
    states = track_proposals(view, braking_poses(view, 40, 4.0)[None], Tracker.Config())
    assert states.shape == (1, 41, 6)
    np.testing.assert_array_equal(states[0, 0], view.ego)
    trajectories = EgoTrajectories(view.vehicle.at_centre(states), view.vehicle, view.dt)
    assert (
        pdm_score(trajectories, view.forecast(49), view.drive.road_context).no_at_fault_collisions[0] == 1.0
    )


@pytest.mark.parametrize("duration", (0.5, 3.0))
def test_polynomials_have_the_given_end_states(duration):
    start, end = np.array([1.0, -2.0, 0.5]), np.array([4.0, 3.0, -1.0])
    to_place = quintic(start, end[None], np.array([duration]))
    to_speed = quartic(start, end[None, 1:], np.array([duration]))
    times = np.array([0.0, duration])
    for order in range(3):
        value = evaluate(to_place, times, np.array([duration]), order)[0]
        np.testing.assert_allclose(value, [start[order], end[order]], atol=1e-9)
        if order:
            value = evaluate(to_speed, times, np.array([duration]), order)[0]
            np.testing.assert_allclose(value, [start[order], end[order]], atol=1e-9)
    later = evaluate(to_place, np.array([duration + 2.0]), np.array([duration]))[0, 0]
    assert later == pytest.approx(4.0 + 3.0 * 2.0)
