import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from point_mass import (
    CostOf,
    PointMass,
    action_spec,
    make_card,
    plan_fingerprint,
    problem,
    quadratic,
    reach,
    write_bundle,
)

from wm_planner.clock import Deadline, ManualClock, nanoseconds
from wm_planner.contracts.context import Context
from wm_planner.errors import ConfigError, ShapeError, WmError
from wm_planner.planners import PLANNERS
from wm_planner.planners.base import PlannerConfig
from wm_planner.planners.cem import CEM, best, equal_weights, refit, sample
from wm_planner.planners.icem import ICEM, colour_matrix, coloured
from wm_planner.planners.mppi import MPPI, exponential_weights
from wm_planner.planners.noise import mirrored, normal

DISCRETE = ["categorical_cem", "mcts"]  # tests/planners/test_discrete.py
WITH_GRADIENT = ["gradient"]  # tests/planners/test_gradient.py
EVERY_PLANNER = sorted(set(PLANNERS.entries) - {*DISCRETE, *WITH_GRADIENT, "policy"})


def build(name, **config):
    return PLANNERS.build({"type": name, "horizon": 3, "samples": 32, **config}, "test")


def small(name, **config):
    """Few samples, and correspondingly few elites."""
    if issubclass(PLANNERS.load(name), CEM):
        config = {"elites": 8, **config}
    return build(name, samples=16, **config)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- searches that are no searches


class WithoutEnd(MPPI):
    def search(self, search, rng):
        yield from search.evaluate(search.start[None])


class WithoutCandidates(MPPI):
    def search(self, search, rng):
        return search.plan(spread=search.start)


@pytest.mark.parametrize(
    ("planner", "reason"),
    [
        (WithoutEnd, "WithoutEnd.search returned NoneType, wanted a Plan: end it with `return search.plan"),
        (WithoutCandidates, "WithoutCandidates.search returned .* without evaluating candidates"),
    ],
)
def test_a_search_that_breaks_its_contract_is_named(planner, reason):
    with pytest.raises(WmError, match=reason):
        planner(planner.Config(horizon=3, samples=8)).plan(reach([0.1, 0.2]), rng=rng())


# --- finding the best plan


@pytest.mark.parametrize("planner", [CEM, ICEM, MPPI])
def test_a_fitted_distribution_finds_the_minimum_of_a_quadratic(planner):
    target = [[0.3, -0.2], [0.8, 0.0], [-0.5, 0.6]]
    config = planner.Config(horizon=3, samples=256, elites=32, iterations=12, min_std=0.0)
    plan = planner(config).plan(problem(quadratic(target)), rng=rng())
    np.testing.assert_allclose(plan.actions, target, atol=0.02)
    assert plan.cost == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_every_planner_moves_a_point_mass_towards_its_goal(name):
    plan = build(name, samples=256).plan(reach([1.0, -1.0]), rng=rng())
    end = plan.actions.sum(axis=0)
    assert np.linalg.norm(end - [1.0, -1.0]) < 0.5
    assert plan.terms == {"only": plan.cost}


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_a_warm_start_is_never_made_worse(name):
    perfect = np.full((3, 2), 0.25, np.float32)
    plan = build(name).plan(problem(quadratic(perfect)), rng=rng(), warm_start=perfect)
    np.testing.assert_array_equal(plan.actions, perfect)
    assert plan.cost == 0


def test_a_warm_start_helps():
    task, start = quadratic(np.full((8, 2), 0.7)), np.full((8, 2), 0.6, np.float32)
    planner = CEM(CEM.Config(horizon=8, samples=32, iterations=2, init_std=0.2))
    cold = [planner.plan(problem(task), rng=rng(i)).cost for i in range(10)]
    warm = [planner.plan(problem(task), rng=rng(i), warm_start=start).cost for i in range(10)]
    assert max(warm) < min(cold)


def test_icem_needs_fewer_evaluations_than_cem_on_a_long_smooth_problem():
    """Steering a double integrator over 30 steps: white noise averages out, smooth noise covers distance."""

    def cost(actions):
        velocity = np.cumsum(actions, axis=1) * 0.1
        position = np.cumsum(velocity, axis=1) * 0.1
        return ((position[:, -1] - 1.0) ** 2).sum(-1) + (velocity[:, -1] ** 2).sum(-1)

    def evaluations(planner, target=0.02):
        """Evaluations until the best cost is at most `target`, summed over five seeds."""
        total = 0
        for seed in range(5):
            for iterations in range(1, 60):
                config = planner.Config(horizon=30, samples=64, elites=8, iterations=iterations)
                plan = planner(config).plan(problem(CostOf(cost)), rng=rng(seed))
                if plan.cost <= target:
                    break
            total += plan.evaluations
        return total

    assert evaluations(ICEM) < 0.6 * evaluations(CEM)


def test_proposals_are_evaluated_unchanged_and_can_win():
    proposals = np.asarray([[[0.9, 0.9]] * 3, [[-0.9, 0.1]] * 3], np.float32)
    for name in EVERY_PLANNER:
        model = PointMass()
        plan = small(name).plan(problem(quadratic(proposals[1]), model), rng=rng(), proposals=proposals)
        np.testing.assert_array_equal(plan.actions, proposals[1])
        assert (model.seen[0] == proposals[0]).all(axis=(1, 2)).any()


# --- the box


@pytest.mark.parametrize("name", EVERY_PLANNER)
@settings(max_examples=25, deadline=None)
@given(
    low=st.floats(-3, 1),
    width=st.floats(0.1, 4),
    seed=st.integers(0, 99),
    target=st.floats(-5, 5),
    start=st.floats(-5, 5),
)
def test_every_candidate_ever_evaluated_is_inside_the_box(name, low, width, seed, target, start):
    model = PointMass(action_spec(2, low, low + width))
    plan = small(name).plan(
        problem(quadratic(np.full((3, 2), target)), model),
        rng=rng(seed),
        warm_start=np.full((3, 2), start, np.float32),
        proposals=np.full((1, 3, 2), -start, np.float32),
    )
    space = problem(quadratic(0), model).space
    for batch in [*model.seen, plan.actions[None]]:
        assert (batch >= space.low).all() and (batch <= space.high).all()
        assert batch.dtype == np.float32
    assert model.evaluations == plan.evaluations


# --- time


class Slow(PointMass):
    """Every rollout advances the clock by the next of the durations; the last one is repeated."""

    def __init__(self, clock, *took_s, **changes):
        super().__init__(**changes)
        self.clock, self.took_s = clock, list(took_s)

    def rollout(self, latent, actions, noise=None):
        took_s = self.took_s.pop(0) if len(self.took_s) > 1 else self.took_s[0]
        self.clock.set_ns(self.clock.now_ns() + nanoseconds(took_s))
        return super().rollout(latent, actions, noise)


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_a_past_deadline_returns_the_warm_start_unevaluated(name):
    model, clock = PointMass(), ManualClock(5)
    start = np.full((3, 2), 0.5, np.float32)
    plan = build(name).plan(
        reach([1, 1], model), rng=rng(), warm_start=start, deadline=Deadline(clock, at_ns=5)
    )
    np.testing.assert_array_equal(plan.actions, start)
    assert np.isnan(plan.cost) and plan.deadline_hit
    assert (plan.iterations, plan.evaluations, model.seen) == (0, 0, [])


def test_without_a_warm_start_a_past_deadline_returns_zeros_clipped_to_the_box():
    model = PointMass(action_spec(2, 0.25, 1.0))
    plan = build("cem").plan(reach([1, 1], model), rng=rng(), deadline=Deadline(ManualClock(5), 0))
    np.testing.assert_array_equal(plan.actions, np.full((3, 2), 0.25))


@pytest.mark.parametrize("name", ["cem", "icem"])
def test_a_deadline_cuts_between_iterations_and_the_best_so_far_is_returned(name):
    clock = ManualClock()
    model = Slow(clock, 0.01)
    deadline = Deadline.after(clock, 0.035)
    plan = build(name, iterations=9).plan(reach([1, 1], model), rng=rng(), deadline=deadline)
    assert plan.deadline_hit
    assert plan.iterations == 3  # a fourth of 10 ms would end after the 35 ms
    assert plan.evaluations == model.evaluations
    assert plan.cost < reach([1, 1]).evaluate(np.zeros((1, 3, 2), np.float32)).total[0]
    assert deadline.left_s() > 0


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_a_deadline_cuts_between_the_chunks_of_an_iteration_too(name):
    """Ten candidates take 10 ms, so 35 ms suffice for three chunks of the first iteration."""
    clock = ManualClock()
    model, deadline = Slow(clock, 0.01, max_candidates=10), Deadline.after(clock, 0.035)
    plan = build(name, samples=64).plan(reach([1, 1], model), rng=rng(), deadline=deadline)
    assert plan.deadline_hit and deadline.left_s() > 0
    assert len(model.seen) == 3 and plan.evaluations == model.evaluations <= 30
    assert np.isfinite(plan.cost)


@pytest.mark.parametrize("name", ["cem", "icem", "mppi"])
def test_no_iteration_is_started_with_less_time_than_the_slowest_took(name):
    """Iterations of 5 ms, the second one delayed to 22 ms: no other one is started with 18 ms left."""
    clock = ManualClock()
    model = Slow(clock, 0.005, 0.022, 0.005)
    deadline = Deadline.after(clock, 0.05)
    plan = build(name, iterations=20).plan(reach([1, 1], model), rng=rng(), deadline=deadline)
    assert plan.deadline_hit and plan.iterations == 3
    assert deadline.left_s() == pytest.approx(0.018)


def test_a_plan_keeps_a_reserve_for_calls_as_slow_as_in_earlier_plans():
    clock = ManualClock()
    planner, model, left_s = build("cem", iterations=200), Slow(clock, 0.02, 0.001), []
    for seed in range(3):
        deadline = Deadline.after(clock, 0.05)
        plan = planner.plan(reach([1, 1], model), rng=rng(seed), deadline=deadline)
        left_s.append(deadline.left_s())
        assert plan.iterations > 10
    assert left_s[0] == pytest.approx(0.02)  # the slowest call of this plan
    assert min(left_s[1:]) > 0.009 and max(left_s[1:]) < 0.0136  # no more than a quarter of the time


def test_one_very_slow_call_does_not_stop_later_plans():
    clock = ManualClock()
    planner, model = build("cem", iterations=9), Slow(clock, 0.3, 0.001)
    plans = [
        planner.plan(reach([1, 1], model), rng=rng(), deadline=Deadline.after(clock, 0.05)) for _ in range(2)
    ]
    assert [plan.iterations for plan in plans] == [1, 9]
    assert all(np.isfinite(plan.cost) for plan in plans)


def test_without_a_deadline_all_iterations_are_completed():
    plan = build("cem", iterations=4).plan(reach([1, 1]), rng=rng())
    assert (plan.iterations, plan.evaluations, plan.deadline_hit) == (4, 4 * 32 + 1, False)


def test_icem_samples_fewer_candidates_in_every_iteration():
    model = PointMass()
    planner = ICEM(ICEM.Config(horizon=3, samples=100, elites=10, iterations=4, decay=2.0))
    planner.plan(reach([1, 1], model), rng=rng())
    assert [len(batch) for batch in model.seen] == [101, 50, 25, 20, 1]


# --- determinism


PLAN_IN_A_NEW_PROCESS = """
import sys
sys.path.insert(0, "tests/support")
from point_mass import PointMass, plan_fingerprint
from wm_planner.world_models.onnx.model import OnnxWorldModel
model = OnnxWorldModel.load(sys.argv[1], device="cpu") if sys.argv[1] else PointMass()
print([plan_fingerprint(name, model) for name in sys.argv[2:]])
"""


@pytest.mark.parametrize("kind", ["numpy", "onnx"])
def test_the_same_seed_gives_the_same_bytes_in_another_process(kind, request, tmp_path):
    bundle = ""
    if kind == "onnx":
        write_bundle(tmp_path / "toy", make_card())
        bundle = tmp_path / "toy"
    command = [sys.executable, "-c", PLAN_IN_A_NEW_PROCESS, str(bundle), *EVERY_PLANNER]
    run = {"cwd": request.config.rootpath, "capture_output": True, "text": True}
    one, other = (subprocess.run(command, **run, check=True).stdout for _ in range(2))
    assert one == other
    if kind == "numpy":
        assert one.strip() == str([plan_fingerprint(name) for name in EVERY_PLANNER])


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_another_seed_gives_another_plan(name):
    plans = [build(name).plan(reach([1, 1]), rng=rng(seed)).actions for seed in (0, 1)]
    assert (plans[0] != plans[1]).any()


# --- costs that are not finite


@pytest.mark.parametrize("name", EVERY_PLANNER)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_cost_that_is_not_finite_never_wins(name, bad):
    def cost(actions):
        return np.where(actions[:, 0, 0] > 0, bad, actions[:, 0, 0] ** 2)

    start = np.full((3, 2), -0.9, np.float32)
    plan = build(name, samples=64).plan(problem(CostOf(cost)), rng=rng(), warm_start=start)
    assert plan.actions[0, 0] <= 0
    assert 0 <= plan.cost < 0.81


@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_if_no_cost_is_finite_the_start_is_returned_with_infinite_cost(name):
    start = np.full((3, 2), 0.5, np.float32)
    bad = CostOf(lambda actions: np.full(len(actions), np.nan))
    plan = build(name).plan(problem(bad), rng=rng(), warm_start=start)
    np.testing.assert_array_equal(plan.actions, start)
    assert plan.cost == np.inf and plan.evaluations > 0
    assert np.isfinite(plan.spread).all()


# --- pure functions, in every namespace


def test_the_update_rules_agree_in_every_array_namespace(namespace):
    noise = rng(3).standard_normal((16, 4, 2), dtype=np.float32)
    mean, std = np.full((4, 2), 0.1, np.float32), np.full((4, 2), 0.5, np.float32)
    low, high = np.full(2, -0.7, np.float32), np.full(2, 0.9, np.float32)
    costs = np.where(np.arange(16) % 5 == 0, np.inf, rng(4).random(16)).astype(np.float32)
    matrix = colour_matrix(4, 2.0)

    def update(xp):
        mean_, std_, noise_, low_, high_, costs_, matrix_ = (
            xp.asarray(a) for a in (mean, std, noise, low, high, costs, matrix)
        )
        candidates = sample(mean_, std_, coloured(noise_, matrix_), low_, high_)
        elites, elite_costs = best(candidates, costs_, 14)  # more than have a finite cost
        weights = (equal_weights(elite_costs) + exponential_weights(elite_costs, 0.5)) / 2
        return refit(mean_, std_, elites, weights, 0.1, low_ * 0 + 0.05)

    for ours, theirs in zip(update(np), update(namespace), strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5, atol=1e-6)


def test_weights_fall_by_e_per_temperature_times_the_standard_deviation_of_the_costs():
    costs = np.array([1.0, 3.0, np.inf, 5.0, 7.0])
    weights = exponential_weights(costs, temperature=0.5)
    scale = 0.5 * np.std([1, 3, 5, 7])
    np.testing.assert_allclose(weights[[1, 3, 4]] / weights[0], np.exp(-np.array([2, 4, 6]) / scale))
    assert weights.sum() == pytest.approx(1) and weights[2] == 0
    np.testing.assert_allclose(exponential_weights(1000 * costs, 0.5), weights)  # dimensionless
    np.testing.assert_allclose(exponential_weights(np.full(4, 2.0), 0.5), 0.25)
    assert not exponential_weights(np.full(4, np.inf), 0.5).any()


def test_a_refit_without_finite_elites_changes_nothing():
    mean, std = np.full((2, 1), 0.1), np.full((2, 1), 0.5)
    elites, costs = np.ones((3, 2, 1)), np.full(3, np.inf)
    new_mean, new_std = refit(mean, std, elites, equal_weights(costs), momentum=0.0, floor=np.zeros(1))
    np.testing.assert_array_equal(new_mean, mean)
    np.testing.assert_array_equal(new_std, std)


def test_momentum_mixes_in_the_old_distribution_and_the_floor_holds():
    mean, std = np.zeros((1, 1)), np.ones((1, 1))
    elites, costs = np.ones((2, 1, 1)), np.zeros(2)
    new_mean, new_std = refit(mean, std, elites, equal_weights(costs), momentum=0.25, floor=np.full(1, 0.3))
    assert (new_mean[0, 0], new_std[0, 0]) == (0.75, 0.3)


def test_noise_from_the_table_is_standard_normal():
    drawn = normal(rng(), (1000, 100))
    assert drawn.dtype == np.float32
    assert scipy.stats.kstest(drawn[:, 0], "norm").pvalue > 0.01
    assert (drawn.mean(), drawn.std()) == pytest.approx((0, 1), abs=0.01)
    assert np.abs(np.corrcoef(drawn[:, :2].T)[0, 1]) < 0.1
    np.testing.assert_array_equal(drawn, normal(rng(), (1000, 100)))


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_mirrored_noise_is_zero_then_pairs(count):
    noise = mirrored(normal(rng(), (count // 2, 3, 2)), count)
    assert noise.shape == (count, 3, 2) and not noise[0].any()
    half, pairs = count // 2, (count - 1) // 2
    np.testing.assert_array_equal(noise[1 : 1 + pairs], -noise[1 + half :])
    assert len(np.unique(noise[1 : 1 + half])) >= 5 * half


def test_white_noise_stays_white_and_red_noise_is_smooth_with_unit_variance():
    np.testing.assert_allclose(colour_matrix(9, 0) @ colour_matrix(9, 0).T, np.eye(9), atol=1e-6)
    white = rng().standard_normal((4000, 16, 1), dtype=np.float32)
    red = coloured(white, colour_matrix(16, 2.0))
    assert red.std(axis=0) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(red[:, 7, 0], red[:, 8, 0])[0, 1] > 0.75
    power = (np.abs(np.fft.rfft(red[..., 0])) ** 2).mean(axis=0)
    assert power[2] / power[4] == pytest.approx(4, rel=0.15)  # 1 / f^2


# --- what is refused


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "cem", "samples": 8, "elites": 9}, "elites is 9, wanted 1 to samples = 8: lower elites"),
        ({"type": "cem", "iterations": 0}, "iterations is 0"),
        ({"type": "cem", "momentum": 1.0}, "momentum is 1.0"),
        ({"type": "cem", "min_std": 0.9}, "lower min_std"),
        ({"type": "cem", "init_std": -1}, "init_std is -1.0, wanted"),
        ({"type": "icem", "decay": 0.5}, "decay >= 1"),
        ({"type": "random_shooting", "horizon": 0}, "horizon is 0"),
        ({"type": "cem", "samplez": 8}, "did you mean 'samples'"),
    ],
)
def test_an_invalid_planner_config_is_refused_with_the_fix(config, reason):
    with pytest.raises(ConfigError, match=reason) as refused:
        PLANNERS.build(config, "planner.yaml: planner")
    assert str(refused.value).startswith("planner.yaml: planner")


def test_a_warm_start_of_another_horizon_is_refused():
    with pytest.raises(ShapeError, match=r"warm start has shape \(5, 2\), wanted \(3, 2\)"):
        build("cem").plan(reach([1, 1]), rng=rng(), warm_start=np.zeros((5, 2), np.float32))
    with pytest.raises(ShapeError, match="proposals has non-finite values"):
        build("cem").plan(reach([1, 1]), rng=rng(), proposals=np.full((1, 3, 2), np.nan, np.float32))


def test_a_previous_plan_of_another_horizon_is_refused():
    context = Context(previous_plan=np.zeros((5, 2)))
    with pytest.raises(ShapeError, match=r"the previous plan has shape \(5, 2\), wanted \(3, 2\)"):
        build("cem").plan(problem(quadratic([0, 0]), context=context), rng=rng())


@pytest.mark.parametrize("kind", [int, bool, np.float64, list])
@pytest.mark.parametrize("name", EVERY_PLANNER)
def test_a_warm_start_of_another_type_is_converted_to_float32(name, kind):
    start = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    given = start.tolist() if kind is list else start.astype(kind)
    wanted, plan = (
        small(name).plan(reach([0.5, 0.4]), rng=rng(), warm_start=s, proposals=[s]) for s in (start, given)
    )
    assert plan.actions.dtype == np.float32
    np.testing.assert_array_equal(plan.actions, wanted.actions)


@pytest.mark.parametrize("kind", [complex, str, object])
def test_a_warm_start_without_real_numbers_is_refused(kind):
    with pytest.raises(ShapeError, match=r"the warm start holds .*, wanted real numbers: float32"):
        build("cem").plan(reach([1, 1]), rng=rng(), warm_start=np.zeros((3, 2)).astype(kind))


def test_a_horizon_beyond_the_models_memory_is_refused():
    with pytest.raises(ConfigError, match=r"horizon is 3, toy remembers 2 steps .* lower the horizon"):
        build("cem").plan(reach([1, 1], PointMass(max_horizon=2)), rng=rng())


@pytest.mark.parametrize("wrong", [None, 0, np.random])
def test_an_rng_that_is_no_generator_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"wanted a generator: numpy.random.default_rng"):
        build("cem").plan(reach([1, 1]), rng=wrong)


def test_an_invalid_deadline_is_refused():
    with pytest.raises(ConfigError, match=r"deadline is 0.05, wanted a Deadline: Deadline.after"):
        build("cem").plan(reach([1, 1]), rng=rng(), deadline=0.05)
    for seconds in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="wanted a finite number; pass None for no deadline"):
            Deadline.after(ManualClock(), seconds)


def test_a_noise_exponent_that_overflows_is_refused():
    with pytest.raises(ConfigError, match=r"noise_beta in 0..100"):
        build("icem", noise_beta=1e6)
    assert np.isfinite(colour_matrix(1000, 100)).all()


def test_presets_are_cem_as_published_and_every_key_can_be_set():
    ours = PLANNERS.build({"type": "vjepa2_ac", "samples": 800}, "test").config
    assert (ours.samples, ours.elites, ours.iterations, ours.momentum, ours.horizon) == (800, 10, 10, 0.15, 2)
    dino = PLANNERS.build({"type": "dino_wm"}, "test").config
    assert (dino.samples, dino.elites, dino.iterations, dino.horizon) == (300, 30, 30, 5)


def test_every_planner_has_a_config_of_its_own():
    configs = [PLANNERS.load(name).Config for name in PLANNERS.entries]
    assert len(set(configs)) == len(configs)
    assert all(issubclass(config, PlannerConfig) for config in configs)


def test_a_horizon_too_large_for_memory_is_refused():
    with pytest.raises(ConfigError, match="horizon is 100000, wanted 1 to 1000"):
        build("icem", horizon=100_000)
