"""Constraints on cost terms, rate limits of actions, and planning several problems at once."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from point_mass import CostOf, PointMass, action_spec, make_card, problem, quadratic, reach

from wm_planner.contracts.card import LatentSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import Limit, WeightedCost
from wm_planner.costs import build_costs
from wm_planner.costs.latent import LatentGoal
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.constraints import REJECTED, ConstrainedObjective
from wm_planner.planners.problem import Problem, evaluate_many

SAMPLERS = ["random_shooting", "predictive_sampling", "cem", "vjepa2_ac", "dino_wm", "icem", "mppi"]
FITTED = ["cem", "icem", "mppi"]
METHODS = ["rejection", "penalty", "lagrangian"]


def rng(seed=0):
    return np.random.default_rng(seed)


def build(name, **config):
    return PLANNERS.build({"type": name, "horizon": 3, **config}, "test")


def constrained(by, at_most=0.5, penalty=100.0):
    """The cost is lowest where all actions are 1, but the first component's sum may be at most `at_most`."""
    costs = [
        WeightedCost("goal", quadratic(np.ones((3, 2)))),
        WeightedCost(
            "sum",
            CostOf(lambda a: a[..., 0].sum(axis=1)),
            limit=Limit(at_most=at_most, by=by, penalty=penalty),
        ),
    ]
    return Problem(PointMass(), {"z": np.zeros((1, 2), np.float32)}, costs, Context())


# --- terms


@pytest.mark.parametrize("by", METHODS)
@pytest.mark.parametrize("name", FITTED)
def test_the_best_feasible_plan_is_found(name, by):
    """The optimum: 1/6 in the first component, 1 in the second, at a cost of 3 (5/6)^2."""
    planner = build(name, samples=256, elites=24, iterations=14, min_std=0.0)
    plan = planner.plan(constrained(by, penalty=1000.0 if by == "penalty" else 10.0), rng=rng())
    assert plan.terms["sum"] <= 0.5 + (0.01 if by == "penalty" else 0)
    assert plan.violation == pytest.approx(max(0, plan.terms["sum"] - 0.5))
    assert plan.cost == pytest.approx(3 * (5 / 6) ** 2, rel=0.08)
    assert plan.cost == pytest.approx(plan.terms["goal"])  # the constrained term is not part of the total


def test_without_the_limit_the_plan_would_violate_it():
    planner = build("cem", samples=256, elites=24, iterations=14, min_std=0.0)
    assert planner.plan(constrained("rejection", at_most=9.0), rng=rng()).terms["sum"] > 2.5


def test_if_no_candidate_is_feasible_the_least_violation_wins():
    plan = build("cem", samples=256, elites=24, iterations=14).plan(
        constrained("rejection", at_most=-9.0), rng=rng()
    )
    assert plan.terms["sum"] < -2.7 and plan.violation >= 6
    assert np.isfinite(plan.cost)


def test_infeasible_candidates_rank_last_ordered_by_violation():
    objective = ConstrainedObjective([WeightedCost("a", quadratic(0), limit=Limit())])
    table = np.array([[5.0, -1.0], [1.0, 0.2], [9.0, 0.0], [0.0, 0.1], [np.inf, -1.0]])
    assert np.argsort(objective.values(table)).tolist() == [0, 2, 3, 1, 4]
    assert objective.rank(table)[3] == REJECTED * 1.1


def test_the_largest_totals_rank_before_any_violation():
    objective = ConstrainedObjective([WeightedCost("a", quadratic(0), limit=Limit())])
    table = np.array([[1e30, -1.0], [0.0, 1e-9], [0.0, 2e-9], [np.inf, -1.0]])
    for values in (objective.values(table), objective.rank(table)):
        assert np.argsort(values).tolist() == [0, 1, 2, 3]


def test_multipliers_grow_while_a_limit_is_violated_and_are_never_negative():
    objective = ConstrainedObjective(
        [WeightedCost("a", quadratic(0), limit=Limit(by="lagrangian", penalty=2.0))]
    )
    table = np.array([[1.0, 0.5]])
    assert objective.values(table)[0] == pytest.approx(1 + 0.5**2)  # penalty / 2 times the square
    objective.update(table[0])
    assert objective.values(table)[0] == pytest.approx(1 + ((1 + 1) ** 2 - 1) / 4)
    objective.update(np.array([0.0, -9.0]))
    assert objective.values(table)[0] == pytest.approx(1 + 0.5**2)


def test_a_limit_is_read_from_a_launch_file():
    (cost,) = build_costs([{"type": "effort", "limit": {"at_most": 0.2, "by": "lagrangian"}}], "costs")
    assert cost.limit == Limit(at_most=0.2, by="lagrangian")
    with pytest.raises(ConfigError, match=r"costs\[0\].limit.by: got 'force', known: lagrangian"):
        build_costs([{"type": "effort", "limit": {"by": "force"}}], "costs")


@pytest.mark.parametrize("by", METHODS)
def test_a_constrained_term_that_is_not_finite_never_wins_and_is_counted(by):
    costs = [
        WeightedCost("goal", quadratic(np.ones((3, 2)))),
        WeightedCost("bad", CostOf(lambda a: np.where(a[:, 0, 0] > 0, np.nan, -1.0)), limit=Limit(by=by)),
    ]
    task = Problem(PointMass(), {"z": np.zeros((1, 2), np.float32)}, costs, Context())
    plan = build("cem").plan(task, rng=rng())
    assert plan.actions[0, 0] <= 0 and np.isfinite(plan.cost)
    assert 0 < plan.not_finite < plan.evaluations


# --- the rate of actions


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(0.05, 1.5),
    last=st.one_of(st.none(), st.floats(-2, 2)),
    seed=st.integers(0, 99),
    knots=st.sampled_from([None, {"count": 2, "curve": "linear"}, {"count": 3, "curve": "cubic"}]),
)
def test_every_candidate_ever_evaluated_is_within_the_rate_and_the_box(name, rate, last, seed, knots):
    spec = action_spec(2)
    model = PointMass(msgspec.structs.replace(spec, rate=(rate,) * 2))
    executed = None if last is None else np.full(2, last, np.float32)
    task = problem(quadratic(np.ones((3, 2))), model, Context(last_action=executed))
    plan = build(name, samples=40, knots=knots).plan(
        task,
        rng=rng(seed),
        warm_start=rng(seed).uniform(-3, 3, (3, 2)).astype(np.float32),
        proposals=rng(seed).uniform(-3, 3, (2, 3, 2)).astype(np.float32),
    )
    for batch in [*model.seen, plan.actions[None]]:
        assert np.abs(batch).max() <= 1
        assert np.abs(np.diff(batch, axis=1)).max() <= rate + 1e-6
        if executed is not None:
            assert np.abs(batch[:, 0] - np.clip(executed, -1, 1)).max() <= rate + 1e-6


def test_a_rate_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r"rate is \[0.1\], wanted one value above 0 per component"):
        spec = action_spec(2)
        msgspec.structs.replace(spec, rate=(0.1,))


# --- several problems at once


def three_problems(model):
    goals = [[0.5, -0.5], [1.0, 0.2], [-0.8, 0.9]]
    cost = WeightedCost("goal", LatentGoal(LatentGoal.Config()))
    return [
        Problem(
            model,
            {"z": np.full((1, 2), 0.1 * index, np.float32)},
            [cost],
            Context(goal_latent={"z": np.asarray([goal], np.float32)}),
        )
        for index, goal in enumerate(goals)
    ]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("max_candidates", [512, 37])
def test_problems_planned_together_get_the_same_plans_as_one_by_one(name, max_candidates):
    planner = build(name, samples=40)
    starts = [None, np.full((3, 2), 0.2, np.float32), None]
    proposals = [None, None, np.full((2, 3, 2), 0.3, np.float32)]
    alone, together = PointMass(max_candidates=max_candidates), PointMass(max_candidates=max_candidates)
    single = [
        planner.plan(task, rng=rng(seed), warm_start=starts[seed], proposals=proposals[seed])
        for seed, task in enumerate(three_problems(alone))
    ]
    many = planner.plan_many(three_problems(together), [rng(s) for s in range(3)], starts, proposals)
    for ours, theirs in zip(many, single, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)
        assert (ours.cost, ours.evaluations, ours.terms) == (theirs.cost, theirs.evaluations, theirs.terms)
    assert together.evaluations == alone.evaluations
    assert len(together.seen) < len(alone.seen)
    assert max(map(len, together.seen)) <= max_candidates


def test_problems_of_models_with_shared_arrays_are_evaluated_one_by_one():
    card = make_card()
    shared = (*card.latents, LatentSpec(name="keys", shape=(1,), role="shared"))
    model = PointMass(latents=shared)
    scores = evaluate_many(three_problems(model), [np.zeros((4, 3, 2), np.float32)] * 3)
    assert [len(batch) for batch in model.seen] == [4, 4, 4]
    assert len({score.total[0] for score in scores}) == 3


def test_problems_of_different_models_are_evaluated_one_by_one():
    models = [PointMass(), PointMass()]
    tasks = [reach([1, 1], models[0]), reach([1, 1], models[1])]
    evaluate_many(tasks, [np.zeros((4, 3, 2), np.float32)] * 2)
    assert [model.evaluations for model in models] == [4, 4]
