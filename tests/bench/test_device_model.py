"""Planning with torch on a device, and its benchmark."""

import numpy as np
import pytest
import torch
from moving_dot import write

from wm_planner.bench.measurements import device as measurement
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.problem import Problem
from wm_planner.training.device_model import DeviceModel
from wm_planner.training.loop import train
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.training.trained import TrainedRun

RECIPE = {"iterations": 3, "batch": 4, "clip": 3, "warmup": 2, "picture": 8, "encoder.channels": [4]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    write(folder / "dots", seed=0)
    train(
        "models/ac_jepa.py", [folder / "dots"], folder / "run", "small", RECIPE, report=lambda progress: None
    )
    return folder / "run"


def observation(seed):
    images = np.random.default_rng(seed).integers(256, size=(2, 16, 16, 3), dtype=np.uint8)
    return Observation(dict(zip(("front", "side"), images, strict=True)))


def on_device(run, precision="fp32"):
    trained = TrainedRun.load(run)
    return DeviceModel.of_network(trained.network, trained.card("run", {}), precision)


def test_plans_on_the_device_equal_plans_in_numpy(run):
    planner = PLANNERS.build({"type": "icem", "horizon": 3, "samples": 16}, "test")
    costs = build_costs([{"type": "latent_goal"}], "test")
    plans = []
    for model in (TorchWorldModel.of_run(run), on_device(run)):
        goal = Context(goal_latent=model.encode(observation(1)))
        problem = Problem(model, model.encode(observation(0)), costs, goal)
        plans.append(planner.plan(problem, rng=np.random.default_rng(0)))
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=1e-5)
    assert plans[0].cost == pytest.approx(plans[1].cost, rel=1e-5)


def test_rollouts_stay_in_torch(run):
    model = on_device(run)
    actions = np.zeros((5, 2, 3), np.float32)
    latent = model.encode(observation(0))
    rollout = model.rollout(latent, actions)
    stepped, _ = model.step(latent, actions[:1, 0])
    for name, array in rollout.latents.items():
        assert isinstance(array, torch.Tensor) and array.shape[:2] == (5, 2)
        np.testing.assert_allclose(array[:1, 0], stepped[name], rtol=1e-5, atol=1e-6)


def test_bf16_keeps_the_arrays_in_float32_and_nearly_their_values(run):
    exact, short = (on_device(run, precision) for precision in ("fp32", "bf16"))
    latent, actions = exact.encode(observation(0)), np.full((3, 2, 3), 0.1, np.float32)
    wanted, found = (model.rollout(latent, actions).latents for model in (exact, short))
    for name, array in found.items():
        assert array.dtype == torch.float32
        assert not torch.equal(array, wanted[name])
        torch.testing.assert_close(array, wanted[name], atol=0.1, rtol=0.1)


def test_the_products_of_a_candidate_are_counted(run):
    model = on_device(run)
    assert measurement._flops(model, model.encode(observation(0))) > 1000


@pytest.mark.parametrize(
    ("card", "device", "precision", "peak"),
    [
        ("NVIDIA H200", "cuda", "bf16", 989e12),
        ("NVIDIA H200", "cuda", "fp32", None),
        ("NVIDIA T4", "cuda", "bf16", None),
        ("NVIDIA H200", "cpu", "bf16", None),
    ],
)
def test_a_peak_is_known_for_cards_of_the_data_sheet_only(card, device, precision, peak, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: card)
    assert measurement.peak_flops(device, precision) == peak


@pytest.mark.parametrize(
    ("size", "device", "reference", "reason"),
    [
        ("tinny", "cpu", None, "did you mean 'tiny'"),
        ("tiny", "cuda", None, "torch finds no GPU here for 'cuda'"),
        ("tiny", "cpu", "elsewhere", "is not a checkout of facebookresearch/vjepa2"),
    ],
)
def test_invalid_arguments_are_refused(size, device, reference, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = None if reference is None else tmp_path / reference
    with pytest.raises(ConfigError, match=reason):
        list(measurement.device_benchmark(size, device, folder, samples=10, repeats=1))
