"""A policy acting on its own imagination as one graph: the rollout graph of `act.onnx` and `step.onnx`."""

import msgspec
import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, compose, helper, numpy_helper

from wm_planner.contracts.card import Card, LatentSpec
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx.rollout_graph import OUTPUT, rollout_graph
from wm_planner.world_models.onnx.signature import GOAL

CHOSEN = OUTPUT + "action"
"""The output of the unrolled graph that holds the actions."""


def unroll_graph(act: ModelProto, step: ModelProto, card: Card) -> ModelProto:
    """The graph that unrolls the policy in one call.

    It is the rollout graph of a step that chooses its action itself, within the bounds, so that its input
    `actions`, (N, H, A), only gives the sizes. Further inputs are the goal's arrays `goal.<name>`, (1, ...);
    a further output is `output.action`, (N, H, A).

    Raises:
        BundleError: if the two graphs have different operator sets, or rates of actions are limited.
    """
    if card.action.rate is not None:
        raise BundleError("the rates of its actions are limited")
    if list(act.opset_import) != list(step.opset_import):
        raise BundleError("act.onnx and step.onnx have different operator sets")
    goals = [port for port in act.graph.input if port.name.startswith(GOAL)]
    specs = {GOAL + spec.name: spec for spec in card.latents}
    shared = [
        LatentSpec(name=port.name, shape=specs[port.name].shape, dtype=specs[port.name].dtype, role="shared")
        for port in goals
    ]
    acting = helper.make_model(
        _acting_step(act.graph, step.graph, card),
        opset_imports=step.opset_import,
        functions=[*act.functions, *step.functions],
        ir_version=step.ir_version,
    )
    return rollout_graph(acting, msgspec.structs.replace(card, latents=(*card.latents, *shared)))


def _acting_step(act: GraphProto, step: GraphProto, card: Card) -> GraphProto:
    """`step.onnx` with the action of the policy; its own input `action` is not read."""
    chosen = "chosen"
    policy = compose.add_prefix_graph(act, "act/", rename_inputs=False)
    world = compose.add_prefix_graph(
        step, "world/", rename_inputs=False, rename_outputs=False, name_map={"action": chosen}
    )
    goals = [port for port in act.input if port.name.startswith(GOAL)]
    inputs = [*step.input, *goals]
    actions = helper.make_tensor_value_info(CHOSEN, 1, ["N", len(card.action.names)])
    nodes = [
        *policy.node,
        *_choice(policy.output[0].name, chosen, card),
        helper.make_node("Identity", [chosen], [CHOSEN]),
        *world.node,
    ]
    weights = [*policy.initializer, *world.initializer]
    return helper.make_graph(nodes, "acting", inputs, [*step.output, actions], weights)


def _choice(given: str, chosen: str, card: Card) -> list[NodeProto]:
    """Nodes from what the policy returns to an action: within the bounds, or the likeliest choice."""
    if card.action.choices:
        return [
            helper.make_node("ArgMax", [given], ["likeliest"], axis=1, keepdims=1),
            helper.make_node("Cast", ["likeliest"], [chosen], to=1),
        ]
    bounds = {"low": card.action.low, "high": card.action.high}
    return [
        *(
            helper.make_node(
                "Constant", [], [name], value=numpy_helper.from_array(np.asarray(bound, np.float32))
            )
            for name, bound in bounds.items()
        ),
        helper.make_node("Max", [given, "low"], ["raised"]),
        helper.make_node("Min", ["raised", "high"], [chosen]),
    ]
