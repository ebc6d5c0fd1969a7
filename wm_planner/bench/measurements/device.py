"""Planning time of V-JEPA 2-AC on a device, compared with the published planning loop in the same run.

Both use the same networks with random weights, which take as long as trained ones. The published loop runs
from a checkout of facebookresearch/vjepa2, of which this repository contains nothing.
"""

import importlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from wm_planner.config import to_builtins
from wm_planner.contracts.card import TrainingRecord
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.task import Goal
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.networks.vjepa2 import SIZES
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR
from wm_planner.planners import PLANNERS
from wm_planner.planners.problem import Problem
from wm_planner.training.device_model import DeviceModel, check_device
from wm_planner.training.importing import DROID, FAMILY, IMAGE_SIZE, RECIPE
from wm_planner.training.module import TrainableModel, load_model_file
from wm_planner.training.recipe import changed
from wm_planner.training.torch_model import Precision
from wm_planner.training.trained import model_card

ITERATIONS = 10
ICEM_SETTINGS = ((2, 16), (2, 32), (3, 32), (3, 64), (4, 64), (4, 128), (6, 128), (6, 256))
"""Iterations and samples of iCEM in ascending cost, until one is as good as the published setting."""

DATA_SHEET = {"H200": 989e12, "H100 80GB HBM3": 989e12, "A100": 312e12, "L40S": 362e12}
"""Peak rates in bf16 without sparsity, in operations per second, by a part of the card's name.

Source: NVIDIA's data sheets of these cards.
"""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """Measurement of one planner.

    Attributes:
        what: the planner.
        evaluations: number of evaluated candidates.
        seconds: median wall time per action.
        peak_share: fraction of the device's peak rate of matrix products, by the products of the evaluated
            candidates; None where `peak_flops` knows no peak.
        energy: median L1 distance to the goal's tokens after the action.
    """

    what: str
    evaluations: int
    seconds: float
    peak_share: float | None
    energy: float


def device_benchmark(
    size: str,
    device: str,
    reference: Path | None,
    samples: int = 800,
    repeats: int = 3,
    precision: Precision = "bf16",
) -> Iterator[DeviceRow]:
    """Plan one step towards a noise image: published setting, cheapest equivalent iCEM, published loop.

    Args:
        size: of the encoder; `giant` has the published predictor, smaller ones a predictor of their size.
        device: torch device.
        reference: a checkout of facebookresearch/vjepa2, or None.
        samples: samples per iteration of the published setting.
        repeats: number of timed plans per row.
        precision: of the matrix products in every row.

    Raises:
        ConfigError: for an unknown size or device, or a folder that is not a checkout.
    """
    _check_checkout(reference)
    peak, network = peak_flops(device, precision), _network(size, device)
    model = _model(network, size, precision)
    problem = _problem(model)
    per_candidate = _flops(model, problem.latent)

    def row(what: str, plan: Callable[[int], Any], evaluations: int) -> DeviceRow:
        plan(0)  # warms up
        timed = [_timed(plan, seed, device) for seed in range(repeats)]
        energies = [
            problem.evaluate(np.asarray(action, np.float32)[None, None]).total[0] for _, action in timed
        ]
        seconds = float(np.median([s for s, _ in timed]))
        share = None if peak is None else per_candidate * evaluations / seconds / peak
        return DeviceRow(what, evaluations, seconds, share, float(np.median(energies)))

    def planner_of(**settings: Any) -> Callable[[int], Any]:
        planner = PLANNERS.build({"horizon": 1, **settings}, "benchmark")
        return lambda seed: planner.plan(problem, rng=np.random.default_rng(seed)).actions[0]

    full = row(
        "vjepa2_ac",
        planner_of(type="vjepa2_ac", samples=samples, elites=min(10, samples)),
        samples * ITERATIONS,
    )
    yield full
    for iterations, count in ICEM_SETTINGS:
        settings = {"type": "icem", "iterations": iterations, "samples": count, "elites": 8}
        icem = row(f"icem, {iterations} x {count}", planner_of(**settings), iterations * count)
        if icem.energy <= full.energy or (iterations, count) == ICEM_SETTINGS[-1]:
            yield icem
            break
    if reference is not None:
        loop = _reference(reference, network, precision, problem, samples)
        yield row("the published loop", loop, samples * ITERATIONS)


def _problem(model: DeviceModel) -> Problem:
    """The published energy between two noise pictures."""
    rng = np.random.default_rng(0)
    start, goal = (
        model.encode(Goal({"front": rng.integers(256, size=(IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)}))
        for _ in range(2)
    )
    costs = build_costs([{"type": "latent_goal", "metric": "l1", "mean_weight": 0.0}], "costs")
    return Problem(model, start, costs, Context(goal_latent=goal))


def _check_checkout(reference: Path | None) -> None:
    if reference is not None and not (reference / "notebooks/utils/world_model_wrapper.py").is_file():
        raise ConfigError(
            f"{reference} is not a checkout of facebookresearch/vjepa2: notebooks/utils is missing"
        )


def peak_flops(device: str, precision: Precision) -> float | None:
    """The peak rate of dense matrix products by the data sheet, in operations per second.

    None for devices and precisions that are not in `DATA_SHEET`.

    Raises:
        ConfigError: if torch cannot use the device.
    """
    check_device(device)
    if device != "cuda" or precision != "bf16":
        return None
    name = torch.cuda.get_device_name()
    return next((flops for card, flops in DATA_SHEET.items() if card in name), None)


def _flops(model: DeviceModel, start: Latent) -> int:
    """Operations in the matrix products and attentions of one candidate's step."""
    with FlopCounterMode(display=False) as counter:
        model.rollout(start, np.zeros((1, 1, len(model.card.action.names)), np.float32))
    return int(counter.get_total_flops())


def _network(size: str, device: str) -> TrainableModel:
    if size not in SIZES:
        raise ConfigError(f"unknown size '{size}', {did_you_mean(size, SIZES)}")
    predictor = AC_PREDICTOR if size == "giant" else SIZES[size]
    changes = {
        "encoder": to_builtins(SIZES[size]),
        "predictor": to_builtins(predictor),
        "rollout": 1,
        "clip": 2,
    }
    file = load_model_file(FAMILY)
    torch.manual_seed(0)
    with torch.device(device):
        network = file.build(changed(file.recipe(RECIPE), changes, FAMILY), DROID)
    assert isinstance(network, TrainableModel)
    return network.eval()


def _model(network: TrainableModel, size: str, precision: Precision) -> DeviceModel:
    record = TrainingRecord(command=(), revision="", recipe={})
    return DeviceModel.of_network(network, model_card(network, size, FAMILY, DROID, {}, record), precision)


def _reference(
    checkout: Path, network: Any, precision: Precision, problem: Problem, samples: int
) -> Callable[[int], Any]:
    """The published loop over the same networks: `WorldModel.infer_next_action` of the checkout."""
    sys.path.insert(0, str(checkout))
    wrapper = importlib.import_module("notebooks.utils.world_model_wrapper")
    goal_latent = problem.context.goal_latent
    assert goal_latent is not None
    device = next(network.parameters()).device
    start, goal = (
        {name: torch.tensor(array, device=device) for name, array in latent.items()}
        for latent in (problem.latent, goal_latent)
    )
    patches = start["tokens"].shape[1]

    def predictor(tokens: Tensor, actions: Tensor, poses: Tensor) -> Tensor:
        frames = tokens.reshape(len(tokens), -1, patches, tokens.shape[-1])
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            flat: Tensor = network.predictor(frames, actions, poses).flatten(1, 2).float()
        return flat

    logging.disable(logging.INFO)  # it logs every iteration
    settings = {
        "rollout": 1,
        "samples": samples,
        "topk": min(10, samples),
        "cem_steps": ITERATIONS,
        "maxnorm": 0.05,
    }
    momentum = {"momentum_mean": 0.15, "momentum_std": 0.15}
    published = wrapper.WorldModel(
        None, predictor, patches, None, mpc_args={**settings, **momentum}, device=str(device)
    )
    tokens, goal_tokens, pose = start["tokens"][None], goal["tokens"][None], start["tcp_pose"][None]

    @torch.inference_mode()
    def plan(seed: int) -> Any:
        torch.manual_seed(seed)
        return published.infer_next_action(tokens, pose, goal_tokens)[0].cpu()

    return plan


def _timed(plan: Callable[[int], Any], seed: int, device: str) -> tuple[float, Any]:
    started = time.perf_counter()
    action = plan(seed)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started, action
