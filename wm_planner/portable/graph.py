"""The portable planner: one graph that takes a latent and noise and returns a plan."""

from collections.abc import Mapping, Sequence
from typing import Any

import ndonnx
import numpy as np
import spox
from onnx import ModelProto

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card, LatentSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.planners.mpc import shifted
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable.graph_cleanup import deduplicate_constants, drop_branch_shapes
from wm_planner.portable.tracing import Noise, TracedModel, traced_costs, traced_plan

NOISE, WARM_START, PROPOSALS, LAST_ACTION = "noise", "warm_start", "proposals", "last_action"
LATENT, GOAL_LATENT, GOAL = "latent.", "goal_latent.", "goal."
"""Names of inputs, or their prefixes."""

ACTIONS, COST, SPREAD, ELITES, TERM, NEXT = "actions", "cost", "spread", "elites", "term.", "next."
"""Names of outputs, or their prefixes."""


def planner_graph(
    planner: SamplingPlanner,
    costs: Sequence[WeightedCost],
    card: Card,
    step: ModelProto,
    with_elites: bool = False,
) -> tuple[ModelProto, Noise]:
    """The graph of one whole planner call, and the noise that it takes.

    Args:
        planner: searches for plans.
        costs: the terms to minimise.
        card: of the model.
        step: its step.onnx.
        with_elites: whether the elites are an output as they are, next to those moved on by a step.
    """
    noise, plan_shape = Noise(), (planner.horizon, len(card.action.names))
    inputs = {
        **{LATENT + spec.name: _latent(spec) for spec in card.latents if spec.role != "cache"},
        **{GOAL_LATENT + spec.name: _latent(spec) for spec in card.latents if spec.role == "candidate"},
        **{GOAL + spec.name: _argument(spec.shape) for spec in card.latents if spec.unit is not None},
        LAST_ACTION: _argument(plan_shape[1:]),
        WARM_START: _argument(plan_shape),
        PROPOSALS: _argument(("M", *plan_shape)),
    }
    start = _finite_or_hold(inputs[WARM_START], inputs[LAST_ACTION] if card.action.absolute else None)
    context = Context(
        goal=_with_prefix(inputs, GOAL),
        goal_latent=_with_prefix(inputs, GOAL_LATENT),
        last_action=inputs[LAST_ACTION],
        previous_plan=start,
    )
    latent = {**_empty_caches(card), **_with_prefix(inputs, LATENT)}
    problem = Problem(TracedModel(card, step), latent, traced_costs(costs), context)  # type: ignore[arg-type]
    plan: Any = traced_plan(planner, problem, noise, start, inputs[PROPOSALS])
    outputs = {
        ACTIONS: plan.actions,
        COST: ndonnx.astype(plan.cost, ndonnx.float32),
        **{TERM + name: ndonnx.astype(term, ndonnx.float32) for name, term in plan.terms.items()},
        SPREAD: plan.spread,
        NEXT + WARM_START: shifted(plan.actions, 1),
    }
    if plan.elites is not None:
        outputs[NEXT + PROPOSALS] = shifted(plan.elites, 1)
        if with_elites:
            outputs[ELITES] = plan.elites
    if noise.array is not None:
        inputs[NOISE] = noise.array
    return build_graph(inputs, outputs), noise


def port_description(name: str, card: Card) -> str:
    """The meaning of an input or output of the graph, with units."""
    units = " ".join(
        f"{axis} [{unit}]" for axis, unit in zip(card.action.names, card.action.units, strict=True)
    )
    kind, _, of = name.rpartition(".")
    meanings = {
        NOISE: "drawn anew for every plan",
        WARM_START: f"the plan to start from, {units}; one that is not finite counts as doing nothing "
        "(zeros, or the last action where actions are set points), or `next.warm_start` of the tick before",
        PROPOSALS: "further plans to try as they are, M may be 0; `next.proposals` where there are any",
        LAST_ACTION: f"the action executed last, {units}; zeros at rest",
        ACTIONS: f"the plan, {units}",
        COST: "of the plan, the weighted sum of its terms; infinite if no candidate had a finite one",
        SPREAD: f"standard deviation of the last candidates, {units}",
        NEXT + WARM_START: "the plan moved on by one step, for the next tick",
        NEXT + PROPOSALS: "further good plans moved on by one step, for the next tick",
    }
    prefixes = {
        LATENT: f"{of} of the latent, as encode.onnx gives it",
        GOAL_LATENT: f"{of} of the goal's latent, as encode.onnx gives it",
        GOAL: f"the goal of {of}, in the card's unit",
        TERM: f"term {of} of the cost, unweighted",
    }
    return meanings.get(name) or prefixes[f"{kind}."]


def build_graph(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> ModelProto:
    """The graph from symbolic inputs to outputs, without inputs that no output needs."""
    variables = [{name: a.unwrap_spox() for name, a in arrays.items()} for arrays in (inputs, outputs)]
    model = spox.build(*variables, drop_unused_inputs=True)
    drop_branch_shapes(model.graph)
    deduplicate_constants(model.graph)
    ports = {port.name: port for port in model.graph.input}
    del model.graph.input[:]
    model.graph.input.extend(ports[name] for name in inputs if name in ports)
    return model


def _latent(spec: LatentSpec) -> Array:
    return _argument((1, *spec.shape), spec.dtype)


def _argument(shape: tuple[int | str, ...], dtype: str = "float32") -> Array:
    return ndonnx.argument(shape=shape, dtype=getattr(ndonnx, dtype))


def _finite_or_hold(plan: Array, held: Array | None) -> Array:
    """The plan (H, A) if all of it is finite, else the action `held` (A,) throughout, or zeros."""
    nothing = ndonnx.zeros_like(plan)
    return ndonnx.where(ndonnx.all(ndonnx.isfinite(plan)), plan, nothing if held is None else nothing + held)


def _with_prefix(inputs: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): a for name, a in inputs.items() if name.startswith(prefix)}


def _empty_caches(card: Card) -> dict[str, Array]:
    caches = [spec for spec in card.latents if spec.role == "cache"]
    return {spec.name: ndonnx.asarray(np.zeros((1, *spec.shape), spec.dtype)) for spec in caches}
