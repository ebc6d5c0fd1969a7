"""The portable planner: one graph that takes a latent and noise, and gives a plan."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ndonnx
import numpy as np
import spox
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from wm_planner.costs.base import Array, Context, WeightedCost
from wm_planner.planners.mpc import shifted
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable.tracing import Noise, TracedModel, traced_costs, traced_plan
from wm_planner.world_models.card import Card, LatentSpec

NOISE, WARM_START, PROPOSALS, LAST_ACTION = "noise", "warm_start", "proposals", "last_action"
LATENT, GOAL_LATENT, GOAL = "latent.", "goal_latent.", "goal."
"""Names of inputs, and what they begin with."""

ACTIONS, COST, SPREAD, TERM, NEXT = "actions", "cost", "spread", "term.", "next."
"""Names of outputs, and what they begin with."""


def planner_graph(
    planner: SamplingPlanner, costs: Sequence[WeightedCost], card: Card, step: ModelProto
) -> tuple[ModelProto, Noise]:
    """One graph of a whole planner call, and the noise that it takes.

    Args:
        planner: what searches.
        costs: what plans are judged by.
        card: of the model.
        step: its step.onnx.
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
    context = Context(
        goal=_beginning(inputs, GOAL),
        goal_latent=_beginning(inputs, GOAL_LATENT),
        last_action=inputs[LAST_ACTION],
        previous_plan=inputs[WARM_START],
    )
    latent = {**_empty_caches(card), **_beginning(inputs, LATENT)}
    problem = Problem(TracedModel(card, step), latent, traced_costs(costs), context)  # type: ignore[arg-type]
    plan: Any = traced_plan(planner, problem, noise, inputs[WARM_START], inputs[PROPOSALS])
    outputs = {
        ACTIONS: plan.actions,
        COST: ndonnx.astype(plan.cost, ndonnx.float32),
        **{TERM + name: ndonnx.astype(term, ndonnx.float32) for name, term in plan.terms.items()},
        SPREAD: plan.spread,
        NEXT + WARM_START: shifted(plan.actions, 1),
    }
    if plan.elites is not None:
        outputs[NEXT + PROPOSALS] = shifted(plan.elites, 1)
    if noise.array is not None:
        inputs[NOISE] = noise.array
    return _built(inputs, outputs), noise


def _built(inputs: dict[str, Any], outputs: dict[str, Any]) -> ModelProto:
    """The graph from inputs to outputs; inputs that no cost reads are left out."""
    variables = [{name: a.unwrap_spox() for name, a in arrays.items()} for arrays in (inputs, outputs)]
    model = spox.build(*variables, drop_unused_inputs=True)
    _share_constants(model.graph)
    return model


def _share_constants(graph: GraphProto) -> None:
    """Keep one of equal constants, outside of all branches: every round came with weights of its own."""
    kept: dict[bytes, TensorProto] = {}
    names = {own: kept.setdefault(_content(tensor), tensor).name for own, tensor in _taken(graph)}
    graph.initializer.extend(kept.values())
    _rename(graph, names)


def _taken(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """The constants of a graph and its branches, taken out of it, by name."""
    constants = list(graph.initializer)
    others = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            node.attribute[0].t.name = node.output[0]
            constants.append(node.attribute[0].t)
            continue
        others.append(node)
        for branch in _branches(node):
            yield from _taken(branch)
    copies = [TensorProto.FromString(tensor.SerializeToString()) for tensor in constants]
    yield from ((tensor.name, tensor) for tensor in copies)
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in others]
    del graph.initializer[:], graph.node[:]
    graph.node.extend(nodes)


def _content(tensor: TensorProto) -> bytes:
    """What makes two constants equal."""
    bare = TensorProto()
    bare.CopyFrom(tensor)
    bare.ClearField("name")
    return bare.SerializeToString(deterministic=True)


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give what nodes read, also in their branches, other names."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for branch in _branches(node):
            _rename(branch, names)


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs inside of a node."""
    yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))


def _latent(spec: LatentSpec) -> Array:
    return _argument((1, *spec.shape), spec.dtype)


def _argument(shape: tuple[int | str, ...], dtype: str = "float32") -> Array:
    return ndonnx.argument(shape=shape, dtype=getattr(ndonnx, dtype))


def _beginning(inputs: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): a for name, a in inputs.items() if name.startswith(prefix)}


def _empty_caches(card: Card) -> dict[str, Array]:
    caches = [spec for spec in card.latents if spec.role == "cache"]
    return {spec.name: ndonnx.asarray(np.zeros((1, *spec.shape), spec.dtype)) for spec in caches}
