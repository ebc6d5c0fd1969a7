"""CPU cost of rollouts, costs and plans: step by step, in one call per rollout, and in one call per plan."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from wm_planner import share
from wm_planner.bench.problems.flops import peak_flops, product_flops
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.costs import build_costs
from wm_planner.planners import PLANNERS
from wm_planner.planners.base import Plan
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable.comparison import planner_feed
from wm_planner.portable.graph import ACTIONS, planner_graph
from wm_planner.portable.scoring_model import ScoringModel
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.session import Graph


class StepByStep(OnnxWorldModel):
    """A bundle that rolls out with one call per step."""

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """See `WorldModel.rollout`."""
        return self.step_by_step(latent, actions)


@dataclass(frozen=True, slots=True)
class CallRow:
    """Measurement of one variant of a rollout or of a plan.

    Attributes:
        what: the rollout or plan, and how it is computed.
        cpu_ms: median CPU time.
        gain: speed relative to step by step.
        difference: largest difference to step by step, in latents or actions.
        peak_share: fraction of this machine's peak rate of matrix products.
    """

    what: str
    cpu_ms: float
    gain: float
    difference: float
    peak_share: float


def call_rows(
    bundle: str, planner: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], repeats: int
) -> list[CallRow]:
    """Rollouts and plans of a bundle between random latents, timed in turn.

    Args:
        bundle: path of the bundle.
        planner, costs: as in a launch file.
        repeats: number of repeats per row.
    """
    built: SamplingPlanner = PLANNERS.build(planner, "planner")
    stepping, model, scoring = (
        kind.load(bundle, device="cpu") for kind in (StepByStep, OnnxWorldModel, ScoringModel)
    )
    card, step = model.card, share.find(bundle) / "step.onnx"
    rng = np.random.default_rng(0)
    start, goal = ({z.name: _normal(rng, (1, *z.shape)) for z in card.latents} for _ in range(2))
    size = (built.samples, built.horizon, len(card.action.names))
    actions = rng.uniform(card.action.low, card.action.high, size).astype(np.float32)
    context = Context({}, goal, np.zeros(size[2:], np.float32), np.zeros(size[1:], np.float32))
    weighted = build_costs(costs, "costs")
    made, noise = planner_graph(built, weighted, card, onnx.load(step))
    whole = Graph(step, ["CPUExecutionProvider"], 1, made.SerializeToString())
    everything = planner_feed(start, context, noise.rows(0), np.zeros((0, *size[1:]), np.float32))
    feed = {port.name: everything[port.name] for port in whole.inputs}

    def planned(over: OnnxWorldModel) -> Plan:
        problem = Problem(over, start, weighted, context)
        return built.plan(problem, rng=np.random.default_rng(0), warm_start=context.previous_plan)

    variants: dict[str, Callable[[], Mapping[str, Array]]] = {
        "rollout, step by step": lambda: stepping.rollout(start, actions).latents,
        "rollout, one call": lambda: model.rollout(start, actions).latents,
        "costs, step by step": lambda: Problem(stepping, start, weighted, context).evaluate(actions).terms,
        "costs, bound arrays": lambda: Problem(scoring, start, weighted, context).evaluate(actions).terms,
        "plan, step by step": lambda: {ACTIONS: planned(stepping).actions},
        "plan, one call per rollout": lambda: {ACTIONS: planned(model).actions},
        "plan, one graph": lambda: whole.run(feed),
    }
    rollout_flops = product_flops(step, built.samples) * built.horizon
    plan_flops = rollout_flops * planned(model).evaluations / built.samples
    flops = {name: plan_flops if name.startswith("plan") else rollout_flops for name in variants}
    return _rows(variants, flops, repeats)


def _rows(
    variants: Mapping[str, Callable[[], Mapping[str, Array]]], flops: Mapping[str, float], repeats: int
) -> list[CallRow]:
    times_ms, peak = _medians_ms(list(variants.values()), repeats), peak_flops()
    rows, reference_ms = [], 0.0
    reference: Mapping[str, Array] = {}
    for (what, variant), ms in zip(variants.items(), times_ms, strict=True):
        result = variant()
        if what.endswith("step by step"):
            reference_ms, reference = ms, result
        difference = max(float(np.abs(result[name] - array).max()) for name, array in reference.items())
        rows.append(CallRow(what, ms, reference_ms / ms, difference, flops[what] / (ms / 1000) / peak))
    return rows


def _medians_ms(variants: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """The median CPU time of each variant, run in random order."""
    rng, times_ms = np.random.default_rng(0), np.empty((repeats, len(variants)))
    for repeat in range(repeats):
        for index in rng.permutation(len(variants)):
            variants[index]()  # refills the caches after another variant
            started = time.process_time()
            variants[index]()
            times_ms[repeat, index] = 1000 * (time.process_time() - started)
    medians: list[float] = np.median(times_ms, axis=0).tolist()
    return medians


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)
