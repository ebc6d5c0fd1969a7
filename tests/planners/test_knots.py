import numpy as np
import pytest
from point_mass import CostOf, PointMass, problem, quadratic

from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.knots import Curve, Knots

SAMPLERS = ["random_shooting", "predictive_sampling", "cem", "icem", "mppi"]


def rng(seed=0):
    return np.random.default_rng(seed)


def test_knots_are_held_or_interpolated_linearly_or_smoothly():
    values = np.array([[0.0], [1.0], [0.0]], np.float32)
    held, lines, smooth = (
        Curve(9, Knots(count=3, curve=curve)).actions(values)[:, 0] for curve in ("hold", "linear", "cubic")
    )
    assert held.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(lines, [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(smooth[[0, 4, 8]], [0, 1, 0], atol=1e-6)
    assert np.abs(np.diff(smooth, n=2)).max() < 0.6 * np.abs(np.diff(lines, n=2)).max()


@pytest.mark.parametrize("curve", ["hold", "linear", "cubic"])
@pytest.mark.parametrize(("horizon", "count"), [(9, 3), (10, 4), (5, 5), (6, 1)])
def test_a_curve_fits_the_knots_of_its_own_plans(curve, horizon, count):
    made = Curve(horizon, Knots(count=count, curve=curve))
    knots = rng().standard_normal((7, count, 2)).astype(np.float32)
    np.testing.assert_allclose(made.fit(made.actions(knots)), knots, atol=1e-5)
    np.testing.assert_allclose(made.actions(np.ones((count, 1))), 1, atol=1e-6)


def test_without_knots_plans_are_not_changed():
    plans = rng().standard_normal((4, 5, 2))
    assert Curve(5, None).actions(plans) is plans and Curve(5, None).fit(plans) is plans


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("curve", ["hold", "linear", "cubic"])
def test_every_candidate_of_a_planner_with_knots_lies_on_a_curve_in_the_box(name, curve):
    knots = Knots(count=3, curve=curve)
    spec = {"type": name, "horizon": 8, "knots": {"count": 3, "curve": curve}, "samples": 32}
    model = PointMass()
    PLANNERS.build(spec, "test").plan(problem(quadratic(np.full((8, 2), 0.9)), model), rng=rng())
    line = Curve(8, knots)
    for batch in model.seen:
        assert np.abs(batch).max() <= 1
        if curve != "cubic":  # whose overshoot is clipped
            np.testing.assert_allclose(line.actions(line.fit(batch)), batch, atol=1e-5)


def test_few_knots_find_a_smooth_plan_faster():
    times = np.linspace(0, np.pi, 24)[:, None]
    target = np.concatenate([np.sin(times), 0.5 * np.cos(times)], axis=1).astype(np.float32)
    costs = {}
    for knots in (None, {"count": 5, "curve": "cubic"}):
        spec = {"type": "cem", "horizon": 24, "knots": knots, "iterations": 6, "min_std": 0.01}
        costs[knots is None] = PLANNERS.build(spec, "test").plan(problem(quadratic(target)), rng=rng()).cost
    assert costs[False] < 0.1 * costs[True]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_warm_start_that_is_no_curve_is_never_made_worse_either(name):
    start = np.where(np.arange(8)[:, None] % 2, 0.7, -0.7).astype(np.float32) * np.ones((1, 2), np.float32)
    spec = {"type": name, "horizon": 8, "knots": {"count": 2, "curve": "linear"}, "samples": 16}
    plan = PLANNERS.build(spec, "test").plan(problem(quadratic(start)), rng=rng(), warm_start=start)
    np.testing.assert_array_equal(plan.actions, start)


def test_a_cubic_that_overshoots_is_clipped_to_the_box():
    over = Curve(12, Knots(count=4, curve="cubic")).actions(np.array([[1.0], [1], [-1], [-1]], np.float32))
    assert over.max() > 1  # so that the check below can fail
    plan = PLANNERS.build({"type": "cem", "horizon": 12, "knots": {"count": 4}}, "test").plan(
        problem(CostOf(lambda a: -a.max(axis=(1, 2)))), rng=rng()
    )
    assert plan.actions.max() <= 1


def test_more_knots_than_steps_are_refused():
    with pytest.raises(ConfigError, match=r"knots.count is 9, wanted 1 to horizon = 5"):
        PLANNERS.build({"type": "cem", "knots": {"count": 9}}, "test")
