"""Driving costs: 0 for good driving, and positive otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from streets import parked, street

from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.costs import build_costs
from wm_planner.driving.metrics.navsim import PreviousPlan
from wm_planner.driving.planners.base import DRIVERS
from wm_planner.driving.planners.goal_tracking import GoalTracker
from wm_planner.driving.planners.proposal_scoring import ScoringContext
from wm_planner.driving.planners.sampling_driver import CEMDriver, bicycle_model
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.errors import PluginError
from wm_planner.planners.problem import Problem

H = 40


def view_at_start(**scene):
    simulator = DrivingSimulator(street(**scene), DrivingSimulator.Options(picture=None))
    return view_of(simulator)


def costs_of(view, name, actions, previous_plans=(), **config):
    """A cost of actions (N, 2), each held for H steps."""
    context = ScoringContext(view, H, GoalTracker(view.drive), previous_plans)
    model = bicycle_model(view)
    state = {"position": view.ego[:2], "heading": view.ego[2:3], "speed": view.ego[3:4]}
    latent = model.encode(Observation({}, state))
    problem = Problem(model, latent, build_costs([{"type": name, **config}], "here"), Context(domain=context))
    held = np.repeat(np.array(actions, np.float32)[:, None], H, axis=1)
    return problem.evaluate(held).terms[name]


KEEP, BRAKE, ACCELERATE, LEFT = (0.0, 0.0), (-4.0, 0.0), (2.0, 0.0), (0.0, 0.03)


@pytest.mark.parametrize(
    ("name", "good", "bad", "scene"),
    [
        ("collision", BRAKE, KEEP, {"fields": {"obstacles": (parked(30.0),)}}),
        ("at_fault_collision", BRAKE, KEEP, {"fields": {"obstacles": (parked(30.0),)}}),
        ("time_to_collision", BRAKE, KEEP, {"fields": {"obstacles": (parked(30.0),)}}),
        ("drivable_area", KEEP, LEFT, {}),
        ("driving_direction", KEEP, LEFT, {}),
        ("overspeed", KEEP, ACCELERATE, {}),
        ("lane_keeping", KEEP, LEFT, {}),
        ("off_centre", KEEP, LEFT, {}),
        ("heading", KEEP, LEFT, {}),
        ("driving_comfort", KEEP, (-6.0, 0.0), {}),
        ("squared_acceleration", KEEP, ACCELERATE, {}),
        ("squared_yaw_rate", KEEP, LEFT, {}),
    ],
)
def test_a_cost_is_zero_for_good_driving_and_positive_for_bad(name, good, bad, scene):
    cost_of_good, cost_of_bad = costs_of(view_at_start(**scene), name, [good, bad])
    assert cost_of_good == pytest.approx(0.0, abs=1e-5)
    assert cost_of_bad > 0.01


def test_progress_and_target_speed_prefer_the_speed_limit():
    for name in ("progress", "target_speed"):
        slow, fast = costs_of(view_at_start(), name, [BRAKE, ACCELERATE])
        assert fast < slow


def test_constant_acceleration_has_no_jerk():
    view = view_at_start()
    assert costs_of(view, "squared_jerk", [ACCELERATE])[0] == pytest.approx(0.0, abs=1e-4)


def test_running_a_red_light_costs_one():
    view = view_at_start(light=(("red", 200),), goal_x=150.0)
    near = replace(view, ego=view.ego + np.array([25.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert costs_of(near, "traffic_light", [BRAKE, KEEP]).tolist() == [0.0, 1.0]


def test_arrival_is_the_shortfall_to_the_goal():
    late, in_time = costs_of(view_at_start(goal_x=35.0, steps=45), "arrival", [BRAKE, KEEP])
    assert in_time < 0.5
    assert late > 5.0


def test_a_plan_equal_to_the_previous_one_is_consistent():
    view = view_at_start()
    states = np.tile(view.vehicle.at_centre(view.ego), (1, H + 1, 1))
    states[0, :, 0] += np.arange(H + 1)
    previous_plans = (PreviousPlan(states, 1),)
    same, other = costs_of(view, "plan_consistency", [KEEP, BRAKE], previous_plans)
    assert same == pytest.approx(0.0, abs=1e-3)
    assert other > 0.5
    assert costs_of(view, "plan_consistency", [BRAKE])[0] == 0.0


def test_the_score_as_a_cost_prefers_braking_to_crashing():
    view = view_at_start(fields={"obstacles": (parked(30.0),)}, steps=400)
    braked, crashed = costs_of(view, "driving_score", [BRAKE, KEEP])
    assert crashed > braked + 0.1
    assert crashed == pytest.approx(1.0, abs=0.01)


class Leftward:
    """A stand-in for a learned cost that prefers positions on the left."""

    requires = frozenset({"state:position", "context:domain"})

    def __call__(self, rollout, actions, context):
        return -rollout.states["position"][:, -1, 1]


def test_extra_costs_count_in_the_selection():
    view = view_at_start(rows=2)
    plain = CEMDriver(CEMDriver.Config()).plan(view)
    biased = CEMDriver(CEMDriver.Config(), [WeightedCost("left", Leftward(), 0.5)]).plan(view)
    assert abs(plain[-1, 1]) < 0.8
    assert biased[-1, 1] > 1.2


def test_a_misspelt_cost_is_refused_with_a_suggestion():
    with pytest.raises(PluginError, match="unknown cost 'colision', did you mean 'collision'"):
        DRIVERS.build({"type": "cem", "costs": [{"type": "colision"}]}, "here")
