"""Bundles whose steps torch takes, compared with ONNX Runtime."""

import numpy as np
import pytest
import torch

from wm_planner import share
from wm_planner.bridges import latent_planning
from wm_planner.bridges.messages import latent_message
from wm_planner.config import convert
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.costs import build_costs
from wm_planner.errors import BundleError, ConfigError
from wm_planner.launching.file import node_class
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem
from wm_planner.training import onnx_operators
from wm_planner.training.device_model import DeviceModel
from wm_planner.training.onnx_graph import OnnxGraph
from wm_planner.world_models.onnx.model import OnnxWorldModel

PLANNED = {
    "panda_reach": ([{"type": "latent_goal", "mean_weight": 2.0}], {"proposals": "policy"}),
    "panda_reach_vjepa2_ac": ([{"type": "latent_goal", "metric": "l1"}], {"latency_steps": 1}),
    "glide_planet": ([{"type": "reward"}], {"futures": {"count": 4}}),  # with noise and outputs
    "pendulum_tdmpc2": ([{"type": "reward"}, {"type": "action_rate"}], {}),
}


def latent_of(card, seed):
    rng = np.random.default_rng(seed)
    return {z.name: rng.standard_normal((1, *z.shape)).astype(z.dtype) for z in card.encoded}


NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize("bundle", PLANNED)
def test_plans_equal_those_of_onnx_runtime(bundle, device):
    (costs, mpc), folder = PLANNED[bundle], f"models/bundles/{bundle}"
    decisions = []
    for model in (DeviceModel.load(folder, device), OnnxWorldModel.load(folder, "cpu")):
        planner = PLANNERS.build({"type": "icem", "horizon": 3, "samples": 16}, "test")
        config = convert(mpc, RecedingHorizon.Config, "test")
        horizon = RecedingHorizon(config, planner, model, build_costs(costs, "test"), seed=0)
        goal = Context(goal_latent=latent_of(model.card, 1))
        decisions.append([horizon.tick(latent_of(model.card, 0), goal, tick) for tick in range(2)])
    for ours, theirs in zip(*decisions, strict=True):
        np.testing.assert_allclose(ours.actions, theirs.actions, atol=1e-4)
        assert ours.plan.cost == pytest.approx(theirs.plan.cost, rel=1e-4)


class Sum:
    """The sum of the last latent."""

    requires = frozenset({"latent:z"})

    def __init__(self):
        self.seen = []

    def __call__(self, rollout, actions, context):
        self.seen.append(rollout.latents["z"])
        return rollout.latents["z"][:, -1].sum(-1)


def test_costs_read_tensors_and_only_their_values_come_back():
    model, cost = DeviceModel.load("models/bundles/panda_reach_small"), Sum()
    problem = Problem(model, latent_of(model.card, 0), [WeightedCost("sum", cost)], Context())
    scores = problem.evaluate(np.zeros((4, 2, 3), np.float32))
    assert isinstance(cost.seen[0], torch.Tensor) and cost.seen[0].shape[:2] == (4, 2)
    assert isinstance(scores.total, np.ndarray) and scores.total.shape == (4,)


def test_gradients_equal_those_of_finite_differences():
    model = DeviceModel.load("models/bundles/panda_reach_small")
    latent, actions = latent_of(model.card, 0), np.zeros((1, 2, 3), np.float32)

    def height(rollout, actions):
        return (rollout.latents["z"][:, -1] ** 2).sum(-1)

    _, gradient = model.gradient(latent, actions, height)
    change = np.zeros_like(actions)
    change[0, 0, 1] = 1e-3
    higher, lower = (height(model.rollout(latent, actions + s * change), None).item() for s in (1, -1))
    assert gradient[0, 0, 1] == pytest.approx((higher - lower) / 2e-3, rel=0.02)


@pytest.mark.parametrize("bundle", share.listing("models/bundles"))
def test_a_graph_evaluates_on_its_own_device_whatever_its_shapes_are_computed_from(bundle):
    """Torch's device `meta` has no values and, as a GPU, takes no arrays of the host in its operators."""
    graph = OnnxGraph(share.find(f"models/bundles/{bundle}") / "step.onnx", "meta")
    model = OnnxWorldModel.load(f"models/bundles/{bundle}", "cpu")
    ports = {port.name: port for port in model._step.inputs}
    feed = {
        name: torch.empty(3, *port.shape[1:], dtype=getattr(torch, port.dtype), device="meta")
        for name, port in ports.items()
    }
    outputs = graph(feed)
    for port in model._step.outputs:
        assert outputs[port.name].device.type == "meta"
        assert tuple(outputs[port.name].shape) == (3, *port.shape[1:])


def test_another_result_than_that_of_onnx_runtime_is_refused(monkeypatch):
    monkeypatch.setitem(onnx_operators.OPERATORS, "Sigmoid", lambda attributes, x: torch.sigmoid(x) + 0.5)
    with pytest.raises(BundleError, match=r"step.onnx: z differs by .* between torch:cpu and the CPU"):
        DeviceModel.load("models/bundles/panda_reach_small")


@pytest.mark.parametrize(
    ("device", "reason"),
    [("cuda", "torch finds no GPU here for 'cuda'"), ("gpu", "torch knows no device 'gpu', wanted cpu")],
)
def test_a_device_that_torch_lacks_is_refused(device, reason, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=reason):
        DeviceModel.load("models/bundles/panda_reach_small", device)


def test_the_planner_node_plans_in_torch(bench):
    goal = {"costs": [{"type": "latent_goal"}], "planner": {"type": "icem", "horizon": 2, "samples": 16}}
    plans = []
    for device in ("torch:cpu", "cpu"):
        made = bench("planner", world_model="models/bundles/panda_reach_small", device=device, **goal)
        start, target = (latent_of(made.node.adapter.model.card, seed) for seed in range(2))
        made.hear("/goal_latent", latent_message(target, 1, 1, float("nan")))
        made.hear("/latent", latent_message(start, 1, 1, 0.0))
        (plan,) = made.take("/plan")
        plans.append(plan)
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=1e-5)


def test_a_device_of_torch_without_torch_or_with_one_graph_is_refused_before_a_node_starts(monkeypatch):
    kind = node_class(share.find("nodes/planner.py"))
    params = {
        "world_model": "models/bundles/panda_reach_small",
        "costs": [{"type": "latent_goal"}],
        "planner": {"type": "icem"},
        "device": "torch:cpu",
    }
    with pytest.raises(
        ConfigError, match="one_graph is a graph of ONNX Runtime, and the device is torch:cpu"
    ):
        kind.check(kind.Params(**params, adapter={"type": "latent", "one_graph": True}))
    monkeypatch.setattr(latent_planning, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"device torch:cpu needs the package 'torch'.*wm-planner\[train\]"):
        kind.check(kind.Params(**params))
