"""`ScoringModel`: rollouts and costs on the model's device, compared with those on the host."""

import numpy as np
import pytest
from point_mass import CostOf, make_card, step_graph, write_bundle

from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.costs import build_costs
from wm_planner.planners import PLANNERS
from wm_planner.planners.futures import FuturesConfig
from wm_planner.planners.problem import Problem
from wm_planner.portable.scoring_model import ScoringModel
from wm_planner.world_models.onnx.model import OnnxWorldModel

SHIPPED = [
    ("models/bundles/panda_reach_small", [{"type": "latent_goal", "metric": "l1"}, {"type": "action_rate"}]),
    ("models/bundles/panda_reach_vjepa2_ac", [{"type": "latent_goal", "mean_weight": 0.0}]),  # with caches
]
COSTS = build_costs([{"type": "latent_goal"}], "test")


def problems(bundle, costs, last_action=None):
    """The same problem over a model that scores on its device and over one that does not."""
    models = [kind.load(bundle, "cpu") for kind in (ScoringModel, OnnxWorldModel)]
    rng, card = np.random.default_rng(0), models[0].card
    start, goal = (
        {z.name: rng.standard_normal((1, *z.shape)).astype(z.dtype) for z in card.encoded} for _ in range(2)
    )
    actions = rng.uniform(card.action.low, card.action.high, (5, 2, len(card.action.names)))
    context = Context(goal_latent=goal, last_action=last_action)
    return [Problem(model, start, costs, context) for model in models], actions.astype(np.float32)


@pytest.mark.parametrize(("bundle", "costs"), SHIPPED)
@pytest.mark.parametrize("has_acted", [False, True])
def test_costs_on_the_device_equal_those_on_the_host(bundle, costs, has_acted):
    last = np.full(3, 0.01, np.float32) if has_acted else None
    (ours, theirs), actions = problems(bundle, build_costs(costs, "test"), last)
    found, wanted = ours.evaluate(actions), theirs.evaluate(actions)
    assert ours.model.on_host == ""
    assert found.terms.keys() == wanted.terms.keys()
    np.testing.assert_allclose(found.total, wanted.total, rtol=1e-5)


def test_no_rollout_comes_back_to_the_host(tmp_path, monkeypatch):
    write_bundle(tmp_path / "toy", make_card(max_candidates=2))
    (problem, other), actions = problems(tmp_path / "toy", COSTS)
    monkeypatch.setattr(problem.model, "rollout", None)
    monkeypatch.setattr(problem.model._step, "run", None)
    np.testing.assert_allclose(problem.evaluate(actions).total, other.evaluate(actions).total, rtol=1e-6)
    planner = PLANNERS.build({"type": "icem", "horizon": 3, "samples": 16}, "test")
    plans = [planner.plan(each, rng=np.random.default_rng(0)) for each in (problem, other)]
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=1e-5)


def test_outputs_of_the_model_are_read_by_costs(tmp_path):
    card = make_card(capabilities=("reward",))
    write_bundle(tmp_path / "toy", card, step=step_graph(card))
    (ours, theirs), actions = problems(tmp_path / "toy", build_costs([{"type": "reward"}], "test"))
    np.testing.assert_allclose(ours.evaluate(actions).total, theirs.evaluate(actions).total, rtol=1e-5)


def test_a_cost_that_cannot_be_traced_is_computed_on_the_host_which_is_said_once(tmp_path, caplog):
    write_bundle(tmp_path / "toy", make_card())
    cost = WeightedCost("odd", CostOf(lambda actions: np.asarray(actions, np.float32).sum(axis=(1, 2))))
    (ours, theirs), actions = problems(tmp_path / "toy", [cost])
    np.testing.assert_array_equal(ours.evaluate(actions).total, theirs.evaluate(actions).total)
    ours.evaluate(actions[:, :1])  # another horizon, whose costs are traced again
    assert "cost 'odd' cannot be written as a graph" in ours.model.on_host
    (said,) = caplog.messages
    assert "costs are computed on the host (cost 'odd' cannot be written as a graph" in said


def test_several_futures_come_back_to_the_host_which_is_said_once(caplog):
    model = ScoringModel.load("models/bundles/glide_planet", "cpu")
    rng = np.random.default_rng(0)
    start = {z.name: rng.standard_normal((1, *z.shape)).astype(z.dtype) for z in model.card.encoded}
    futures = FuturesConfig(count=3).of(model.card, rng)
    problem = Problem(model, start, build_costs([{"type": "reward"}], "test"), Context(), futures)
    for _ in range(2):
        assert np.isfinite(problem.evaluate(np.zeros((2, 2, 2), np.float32)).total).all()
    (said,) = caplog.messages
    assert "costs are computed on the host (rollouts with drawn noise, for several futures" in said
