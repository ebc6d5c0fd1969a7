import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace as with_fields
from point_mass import CostOf, PointMass, action_spec, problem, quadratic

from wm_planner.clock import Deadline, ManualClock
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.costs.latent import LatentGoal
from wm_planner.errors import ConfigError
from wm_planner.planners.base import Plan
from wm_planner.planners.categorical_cem import CategoricalCEM
from wm_planner.planners.cem import CEM
from wm_planner.planners.icem import ICEM
from wm_planner.planners.mpc import RecedingHorizon, shifted

ORIGIN = {"z": np.zeros((1, 2), np.float32)}


class Scripted:
    """A planner that returns prepared plans and records its arguments."""

    horizon = 4
    discrete = False

    def __init__(self, *plans):
        self.plans = list(plans)
        self.asked = []

    def plan(self, problem, *, rng, warm_start=None, proposals=None, deadline=None):
        self.asked.append({"problem": problem, "warm_start": warm_start, "proposals": proposals})
        return self.plans[len(self.asked) - 1]


def ramp(first, cost=0.0, **fields):
    """A plan whose actions are first, first + 1, ..."""
    actions = np.repeat(np.arange(first, first + 4, dtype=np.float32)[:, None], 2, axis=1)
    return Plan(actions, cost, **fields)


def controller(planner, model=None, cost=None, seed=0, **config):
    costs = [WeightedCost("only", cost or quadratic(0))]
    return RecedingHorizon(RecedingHorizon.Config(**config), planner, model or PointMass(), costs, seed)


def first_components(actions):
    return [] if actions is None else actions[..., 0].tolist()


# --- doing nothing


def absolute(**changes):
    return PointMass(with_fields(action_spec(low=-9.0, high=9.0), absolute=True), **changes)


def test_set_points_are_held_where_there_is_nothing_else_to_do():
    last = np.array([0.5, -0.25], np.float32)
    planner = Scripted(ramp(0, cost=np.inf), ramp(0), ramp(1, cost=np.inf))
    mpc = controller(planner, absolute())
    held = mpc.tick(ORIGIN, Context(last_action=last), 0)
    assert held.fallback
    np.testing.assert_array_equal(held.actions, [last] * 4)
    mpc.tick(ORIGIN, Context(last_action=last), 1)
    rest = mpc.tick(ORIGIN, Context(last_action=last), 3)
    assert first_components(rest.actions) == [2, 3, 3, 3]  # the rest of the plan before, then its last point
    relative = controller(Scripted(ramp(0, cost=np.inf))).tick(ORIGIN, Context(last_action=last), 0)
    assert not relative.actions.any()


def test_a_search_over_set_points_starts_from_the_last_one():
    last = np.array([0.5, -0.25], np.float32)
    mpc = controller(
        CEM(CEM.Config(horizon=4, samples=3, elites=1, iterations=1)), absolute(), quadratic(last)
    )
    np.testing.assert_array_equal(mpc.tick(ORIGIN, Context(last_action=last), 0).actions, [last] * 4)


def test_a_tick_before_the_current_decision_begins_a_new_episode():
    planner = Scripted(ramp(0), ramp(7))
    mpc = controller(planner, replan_every=4)
    mpc.tick(ORIGIN, Context(), 49)
    again = mpc.tick(ORIGIN, Context(), 0)
    assert (again.first_tick, first_components(again.actions)) == (0, [7, 8, 9, 10])
    assert planner.asked[1]["warm_start"] is None


def test_a_search_over_an_action_without_bounds_is_refused():
    free = with_fields(action_spec(), low=(-np.inf, -1.0), high=(np.inf, 1.0))
    with pytest.raises(ConfigError, match=r"CEM searches between bounds, and a0 of toy has none"):
        controller(CEM(CEM.Config(horizon=4)), PointMass(free))
    with pytest.raises(ConfigError, match="a0 of toy has none"):
        CEM(CEM.Config(horizon=4)).plan(problem(quadratic(0), PointMass(free)), rng=np.random.default_rng(0))


# --- warm start


def test_the_warm_start_is_the_last_plan_shifted_with_its_last_action_repeated():
    planner = Scripted(ramp(0), ramp(0))
    mpc = controller(planner)
    mpc.tick(ORIGIN, Context(), 0)
    mpc.tick(ORIGIN, Context(), 1)
    assert planner.asked[0]["warm_start"] is None
    assert first_components(planner.asked[1]["warm_start"]) == [1, 2, 3, 3]
    np.testing.assert_array_equal(
        planner.asked[1]["problem"].context.previous_plan, planner.asked[1]["warm_start"]
    )


def test_the_warm_start_is_shifted_by_the_ticks_that_passed():
    planner = Scripted(ramp(0), ramp(0), ramp(0))
    mpc = controller(planner)
    for tick in (0, 3, 50):
        mpc.tick(ORIGIN, Context(), tick)
    assert first_components(planner.asked[1]["warm_start"]) == [3, 3, 3, 3]
    assert first_components(planner.asked[2]["warm_start"]) == [3, 3, 3, 3]


def test_elites_come_back_as_shifted_proposals():
    elites = np.stack([ramp(10).actions, ramp(20).actions])
    planner = Scripted(ramp(0, elites=elites), ramp(0))
    mpc = controller(planner)
    mpc.tick(ORIGIN, Context(), 0)
    mpc.tick(ORIGIN, Context(), 1)
    assert first_components(planner.asked[1]["proposals"]) == [[11, 12, 13, 13], [21, 22, 23, 23]]


def test_a_repeated_tick_returns_the_current_decision_and_shifts_nothing():
    planner = Scripted(ramp(0), ramp(5))
    mpc = controller(planner)
    decision = mpc.tick(ORIGIN, Context(), 0)
    assert mpc.tick(ORIGIN, Context(), 0) is decision
    assert len(planner.asked) == 1
    mpc.tick(ORIGIN, Context(), 1)
    assert first_components(planner.asked[1]["warm_start"]) == [1, 2, 3, 3]


def test_a_new_episode_forgets_the_plan():
    planner = Scripted(ramp(0), ramp(0))
    mpc = controller(planner)
    mpc.tick(ORIGIN, Context(), 7)
    mpc.reset(episode_id=1)
    mpc.tick(ORIGIN, Context(), 0)
    assert planner.asked[1]["warm_start"] is None


def test_an_episode_after_a_reset_is_planned_as_if_none_had_come_before():
    mpc = controller(ICEM(ICEM.Config(horizon=4, samples=8)), cost=quadratic(0.5))

    def episode():
        mpc.reset(episode_id=1)
        return [mpc.tick(ORIGIN, Context(), tick).actions for tick in range(3)]

    np.testing.assert_array_equal(episode(), episode())


# --- replanning interval and latency


def test_between_replans_the_plan_is_executed():
    planner = Scripted(ramp(0), ramp(10))
    mpc = controller(planner, replan_every=2)
    executed = [mpc.tick(ORIGIN, Context(), tick).action_at(tick)[0] for tick in range(4)]
    assert executed == [0, 1, 10, 11]
    assert first_components(planner.asked[1]["warm_start"]) == [2, 3, 3, 3]


def test_outside_of_the_horizon_there_is_no_action():
    decision = controller(Scripted(ramp(0))).tick(ORIGIN, Context(), 3)
    assert decision.action_at(2) is None
    assert decision.action_at(7) is None


def test_the_latent_is_predicted_through_the_committed_actions():
    planner = Scripted(ramp(1), ramp(5), ramp(9))
    mpc = controller(planner, latency_steps=2)
    decisions = [mpc.tick(ORIGIN, Context(), tick) for tick in range(3)]
    planned_from = [asked["problem"].latent["z"][0, 0] for asked in planner.asked]
    assert planned_from == [0 + 0, 0 + 1, 1 + 5]
    assert first_components(decisions[0].actions) == [0, 0, 1, 2, 3, 4]  # nothing was committed: zeros
    assert first_components(decisions[1].actions) == [0, 1, 5, 6, 7, 8]
    assert first_components(decisions[2].actions) == [1, 5, 9, 10, 11, 12]
    assert first_components(planner.asked[1]["warm_start"]) == [2, 3, 4, 4]


def test_a_measured_delay_replaces_the_configured_latency():
    """The point mass has a step of 0.1 s: a delay of 0.19 s is two steps, one of 0.02 s is zero steps."""
    planner = Scripted(ramp(1), ramp(5), ramp(9))
    mpc = controller(planner, latency_steps=1)
    decisions = [mpc.tick(ORIGIN, Context(), tick, delay_s=d) for tick, d in enumerate((0.19, 0.11, 0.02))]
    assert [decision.latency for decision in decisions] == [2, 1, 0]
    assert first_components(decisions[0].actions) == [0, 0, 1, 2, 3, 4]
    assert first_components(decisions[1].actions) == [0, 5, 6, 7, 8]
    assert first_components(decisions[2].actions) == [9, 10, 11, 12]
    assert first_components(planner.asked[1]["warm_start"]) == [1, 2, 3, 4]  # of the same ticks: 2 to 5
    assert first_components(planner.asked[2]["warm_start"]) == [5, 6, 7, 8]


def test_under_latency_the_last_action_of_a_plan_is_the_last_committed_one():
    planner = Scripted(ramp(1), ramp(5))
    mpc = controller(planner, latency_steps=1)
    for tick in range(2):
        mpc.tick(ORIGIN, Context(last_action=np.full(2, 7.0, np.float32)), tick)
    followed = [asked["problem"].context.last_action[0] for asked in planner.asked]
    assert followed == [0, 1]  # not 7, which was executed earlier


def test_arrays_that_step_does_not_return_survive_the_latency():
    planner = Scripted(ramp(0))
    controller(planner, latency_steps=1).tick(ORIGIN | {"keys": "shared"}, Context(), 0)
    assert planner.asked[0]["problem"].latent["keys"] == "shared"


# --- fallback


def test_after_a_missed_deadline_the_last_plan_continues_then_holds():
    planner = Scripted(ramp(1), ramp(0, cost=np.nan, deadline_hit=True))
    mpc = controller(planner)
    assert mpc.tick(ORIGIN, Context(), 0).fallback is None
    decision = mpc.tick(ORIGIN, Context(), 1)
    assert decision.fallback == "the deadline had passed before anything was evaluated"
    assert first_components(decision.actions) == [2, 3, 4, 0]
    assert decision.plan.deadline_hit


def test_an_unusable_first_plan_holds():
    decision = controller(Scripted(ramp(5, cost=np.inf, evaluations=12))).tick(ORIGIN, Context(), 0)
    assert first_components(decision.actions) == [0, 0, 0, 0]
    assert decision.fallback == "none of 12 candidates had a finite cost"


def test_a_plan_with_non_finite_actions_is_never_executed():
    bad = dataclasses.replace(ramp(0), actions=np.full((4, 2), np.nan, np.float32))
    decision = controller(Scripted(bad)).tick(ORIGIN, Context(), 0)
    assert np.isfinite(decision.actions).all() and decision.fallback


def test_a_real_planner_out_of_time_falls_back_on_its_last_plan():
    clock = ManualClock(10)
    mpc = controller(CEM(CEM.Config(horizon=4)), cost=quadratic(0.5))
    first = mpc.tick(ORIGIN, Context(), 0)
    late = mpc.tick(ORIGIN, Context(), 1, deadline=Deadline(clock, at_ns=10))
    np.testing.assert_array_equal(late.actions[:3], first.actions[1:])
    assert late.fallback and late.plan.evaluations == 0


def test_a_robot_holds_if_no_cost_is_ever_finite():
    mpc = controller(ICEM(ICEM.Config(horizon=4)), cost=CostOf(lambda a: np.full(len(a), np.nan)))
    for tick in range(3):
        decision = mpc.tick(ORIGIN, Context(), tick)
        assert decision.fallback and not decision.actions.any()


# --- determinism and the loop as a whole


def drive(planner, steps=12, seed=0, episode=0, **config):
    """The final position of a point mass that is driven to (2, -1), and the decisions along the way."""
    model = PointMass()
    costs = [WeightedCost("goal", LatentGoal(LatentGoal.Config()))]
    mpc = RecedingHorizon(RecedingHorizon.Config(**config), planner, model, costs, seed)
    mpc.reset(episode)
    goal = {"z": np.asarray([[2.0, -1.0]], np.float32)}
    z, last, decisions = np.zeros((1, 2), np.float32), None, []
    for tick in range(steps):
        decisions.append(mpc.tick({"z": z}, Context(goal_latent=goal, last_action=last), tick))
        last = decisions[-1].action_at(tick)
        z = z + (0 if last is None else last)
    return z[0], decisions


@pytest.mark.parametrize("planner", [CEM, ICEM])
def test_the_loop_reaches_its_goal(planner):
    ends = [drive(planner(planner.Config(horizon=2)), seed=seed)[0] for seed in range(5)]
    np.testing.assert_allclose(np.median(ends, axis=0), [2.0, -1.0], atol=0.05)


def test_the_loop_reaches_its_goal_despite_latency():
    end, _ = drive(ICEM(ICEM.Config(horizon=4)), latency_steps=2, steps=16)
    np.testing.assert_allclose(end, [2.0, -1.0], atol=0.15)


def test_the_same_seed_episode_and_ticks_give_the_same_bytes():
    planner = ICEM(ICEM.Config(horizon=4))
    plans = [[d.actions.tobytes() for d in drive(planner, seed=3, episode=5)[1]] for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0] != [d.actions.tobytes() for d in drive(planner, seed=3, episode=6)[1]]


def test_the_duration_of_a_plan_is_measured_with_the_given_clock():
    clock = ManualClock()

    class Slow(PointMass):
        def rollout(self, latent, actions, noise=None):
            clock.set_ns(clock.now_ns() + 2_000_000)
            return super().rollout(latent, actions, noise)

    planner = CEM(CEM.Config(horizon=4, iterations=3))
    costs = [WeightedCost("only", quadratic(0))]
    mpc = RecedingHorizon(RecedingHorizon.Config(), planner, Slow(), costs, seed=0, clock=clock)
    assert mpc.tick(ORIGIN, Context(), 0).plan.elapsed_s == pytest.approx(0.008)


# --- what is refused


def test_plans_shorter_than_the_replanning_interval_are_refused():
    with pytest.raises(ConfigError, match="replan_every is 5 but the planner's horizon is 4"):
        controller(Scripted(), replan_every=5)


def test_a_horizon_beyond_the_memory_of_the_model_is_refused_with_the_one_that_fits():
    model = PointMass(max_horizon=5)
    controller(Scripted(), model, latency_steps=1)
    reason = "horizon 4 are 6 steps, toy remembers 5 .card: max_horizon.: lower the horizon to 3"
    with pytest.raises(ConfigError, match=reason):
        controller(Scripted(), model, latency_steps=2)


def test_costs_are_checked_when_the_controller_is_built():
    with pytest.raises(ConfigError, match="requires 'latent:w', which toy does not offer"):
        controller(Scripted(), cost=LatentGoal(LatentGoal.Config(array="w")))


def test_a_planner_for_discrete_actions_is_refused_when_the_controller_is_built():
    with pytest.raises(ConfigError, match="CategoricalCEM plans discrete actions, those of toy are"):
        controller(CategoricalCEM(CategoricalCEM.Config()))


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match="latency_steps -1"):
        RecedingHorizon.Config(latency_steps=-1)


def test_shifting_keeps_the_horizon_of_any_number_of_plans():
    plans = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    assert shifted(plans, 2).shape == (2, 4, 3)
    np.testing.assert_array_equal(shifted(plans, 0), plans)
    np.testing.assert_array_equal(shifted(plans, 9), np.repeat(plans[:, -1:], 4, axis=1))


@pytest.mark.parametrize("seed", [-1, 1.5, "a"])
def test_invalid_seeds_are_refused(seed):
    with pytest.raises(ConfigError, match="wanted a whole number, 0 or more"):
        controller(Scripted(), seed=seed)
    assert controller(Scripted(), seed=np.int64(3)).seed == 3


def test_a_delay_that_is_not_finite_is_refused():
    with pytest.raises(ConfigError, match="delay_s is nan, wanted finite seconds"):
        controller(Scripted()).tick(ORIGIN, Context(), 0, delay_s=float("nan"))


@pytest.mark.parametrize(("memory", "steps"), [(6, 2), (0, 996)])
def test_a_delay_is_compensated_as_far_as_the_models_memory_allows(memory, steps):
    mpc = controller(Scripted(ramp(0), ramp(0)), PointMass(max_horizon=memory))
    assert mpc.tick(ORIGIN, Context(), 0, delay_s=1e4).latency == steps
    assert mpc.tick(ORIGIN, Context(), 1, delay_s=-0.5).latency == 0
