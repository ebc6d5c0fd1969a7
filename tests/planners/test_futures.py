"""Several futures per candidate, over a recurrent bundle with noise."""

import math

import numpy as np
import pytest
from glider import glider_card, write_glider
from point_mass import PointMass, quadratic

from wm_planner.config import convert
from wm_planner.contracts.card import NoiseSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import Limit, WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners.cem import CEM
from wm_planner.planners.futures import Futures, FuturesConfig
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem
from wm_planner.portable.export import export_planner
from wm_planner.portable.planner import GraphPlanner
from wm_planner.world_models.onnx.model import OnnxWorldModel

REWARD = build_costs([{"type": "reward", "discount": 1.0}], "costs")
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)


@pytest.fixture(params=[512, 7])  # in one call, and in calls that cut candidates apart
def model(request, tmp_path):
    write_glider(tmp_path / "glider", max_candidates=request.param)
    return OnnxWorldModel.load(tmp_path / "glider", device="cpu")


def start(model):
    return model.encode(Observation({}, {"position": np.array([1.0, -1.0])}))


def futures(model, count=4, seed=0, **config):
    return FuturesConfig(count=count, **config).of(model.card, np.random.default_rng(seed))


def costs_by_hand(model, drawn):
    """The cost of every candidate in every future, (N, K), by one rollout each."""
    latent, table = start(model), np.empty((len(ACTIONS), drawn.count))
    for k in range(drawn.count):
        noise = {name: array[k : k + 1] for name, array in drawn.noise(3).items()}
        for n in range(len(ACTIONS)):
            table[n, k] = -model.rollout(latent, ACTIONS[n : n + 1], noise).outputs["reward"].sum()
    return table


@pytest.mark.parametrize(
    ("over", "tail", "counted"), [("mean", 0.25, 4), ("worst", 0.25, 1), ("cvar", 0.5, 2), ("cvar", 0.1, 1)]
)
def test_the_costs_of_all_futures_are_averaged_or_the_worst_ones_count(model, over, tail, counted):
    drawn = futures(model, over=over, tail=tail)
    table = np.sort(costs_by_hand(model, drawn), axis=1)[:, -counted:]
    problem = Problem(model, start(model), REWARD, Context(), drawn)
    scores = problem.evaluate(ACTIONS)
    np.testing.assert_allclose(scores.total, table.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(scores.terms["reward"], scores.total, rtol=1e-12)


def test_all_candidates_meet_the_same_futures_and_another_seed_brings_others(model):
    twins = np.repeat(ACTIONS[:1], 5, axis=0)
    latent = start(model)
    totals = [
        Problem(model, latent, REWARD, Context(), futures(model, seed=seed)).evaluate(twins).total
        for seed in (0, 0, 1)
    ]
    np.testing.assert_allclose(totals[0], totals[0][0], rtol=1e-6)
    np.testing.assert_array_equal(totals[0], totals[1])
    assert abs(totals[2][0] - totals[0][0]) > 0.1


def test_weighted_terms_count_in_the_futures_where_their_sum_is_largest():
    """Two terms are worst in different futures: what counts is their sum, which the terms then add up to."""
    card = glider_card()
    worst = Futures(FuturesConfig(over="worst"), card, 2, np.random.default_rng(0))
    terms = {"a": np.array([[1.0, 3.0]]), "b": np.array([[5.0, 2.0]]), "c": np.array([[7.0, 9.0]])}
    costs = [
        WeightedCost("a", quadratic(0), 1.0),
        WeightedCost("b", quadratic(0), 2.0),
        WeightedCost("c", quadratic(0), limit=Limit(at_most=8.0)),
    ]
    assert {name: float(term[0]) for name, term in worst.reduce(terms, costs).items()} == {
        "a": 1.0,
        "b": 5.0,
        "c": 9.0,
    }


def test_a_future_that_is_not_finite_makes_its_candidate_infinite(model):
    terms = {"reward": np.array([[1.0, np.nan, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]])}
    for over in ("mean", "worst", "cvar"):
        reduced = futures(model, over=over).reduce(terms, REWARD)["reward"]
        assert np.isnan(reduced[0]) and np.isfinite(reduced[1])


@pytest.mark.parametrize("kind", ["normal", "uniform", "gumbel"])
def test_draws_are_of_the_cards_distribution(kind):
    card = glider_card(noise=(NoiseSpec(name="eps", shape=(50,), kind=kind),))
    drawn = FuturesConfig(count=40).of(card, np.random.default_rng(0)).noise(10)["eps"]
    assert drawn.shape == (40, 10, 50) and drawn.dtype == np.float32
    mean = {"normal": 0.0, "uniform": 0.5, "gumbel": 0.5772}[kind]
    deviation = {"normal": 1.0, "uniform": math.sqrt(1 / 12), "gumbel": math.pi / math.sqrt(6)}[kind]
    assert abs(drawn.mean() - mean) < 0.05 and abs(drawn.std() - deviation) < 0.05


def planned(model, **config):
    planner = CEM(CEM.Config(horizon=3, samples=30, iterations=3))
    mpc = RecedingHorizon(convert(config, RecedingHorizon.Config, "mpc"), planner, model, REWARD, seed=0)
    return mpc.tick(start(model), Context(), 0).plan


def test_the_card_says_how_many_futures_are_the_default(tmp_path):
    models = []
    for name, count in (("calm", 1), ("four", 4)):
        write_glider(tmp_path / name, futures=count)
        models.append(OnnxWorldModel.load(tmp_path / name, device="cpu"))
    calm, four = (planned(model) for model in models)
    assert four.cost != calm.cost
    np.testing.assert_array_equal(planned(models[0], futures={"count": 4}).actions, four.actions)
    np.testing.assert_array_equal(planned(models[1], futures={"count": 1}).actions, calm.actions)
    np.testing.assert_array_equal(planned(models[1]).actions, four.actions)  # the same seed, the same plan
    worst = planned(models[1], futures={"over": "worst"})
    assert worst.cost > four.cost


def test_futures_of_a_model_without_noise_are_refused():
    planner = CEM(CEM.Config(horizon=3, samples=30))
    config = convert({"futures": {"count": 2}}, RecedingHorizon.Config, "mpc")
    with pytest.raises(ConfigError, match="futures are 2, but the steps of toy take no noise"):
        RecedingHorizon(config, planner, PointMass(), [WeightedCost("only", quadratic(0))], seed=0)
    with pytest.raises(ConfigError, match=r"tail is 1\.5, wanted above 0"):
        convert({"futures": {"tail": 1.5}}, RecedingHorizon.Config, "mpc")


def test_planners_that_imagine_one_future_refuse_several(model, tmp_path):
    problem = Problem(model, start(model), REWARD, Context(), futures(model))
    bundle = tmp_path / "glider"
    cem = CEM(CEM.Config(horizon=3, samples=30, iterations=2))
    one_graph = GraphPlanner(bundle, model, cem, REWARD, "cpu")
    with pytest.raises(ConfigError, match="one graph imagines one future, not 4"):
        one_graph.plan(problem, rng=np.random.default_rng(0))
    if model.card.max_candidates == 512:
        write_glider(tmp_path / "four", futures=4)
        with pytest.raises(ConfigError, match="glider is to be planned over 4 futures"):
            export_planner(tmp_path / "four", {"type": "cem"}, [{"type": "reward"}], tmp_path / "p.onnx", "")


def test_the_planner_in_one_graph_imagines_with_memory_and_calm_noise(model, tmp_path):
    """Hidden arrays and outputs go through the whole graph as through the planner in Python."""
    cem = CEM(CEM.Config(horizon=3, samples=30, iterations=2))
    one_graph = GraphPlanner(tmp_path / "glider", model, cem, REWARD, "cpu")
    latent = model.encode(Observation({}, {"position": np.array([1.0, 0.0])}), np.zeros(2), start(model))
    problem = Problem(model, latent, REWARD, Context(last_action=np.zeros(2, np.float32)))
    ours, theirs = (each.plan(problem, rng=np.random.default_rng(0)) for each in (one_graph, cem))
    np.testing.assert_allclose(ours.actions, theirs.actions, atol=1e-4)
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-4)


def test_a_recurrent_model_is_exported_as_a_portable_planner(tmp_path):
    write_glider(tmp_path / "glider")
    planner = {"type": "cem", "horizon": 3, "samples": 16, "iterations": 2}
    costs = [{"type": "reward"}]
    exported = export_planner(tmp_path / "glider", planner, costs, tmp_path / "p.onnx", "test: ")
    assert {"latent.z", "latent.v"} <= exported.inputs.keys()
    assert exported.difference.actions < 1e-4


def test_a_portable_planner_of_a_step_that_cannot_be_looped_is_refused(tmp_path):
    write_glider(tmp_path / "old", opset=12)
    with pytest.raises(ConfigError, match=r"glider cannot be part of a graph: .*operator set 15"):
        export_planner(tmp_path / "old", {"type": "cem"}, [{"type": "reward"}], tmp_path / "p.onnx", "")
