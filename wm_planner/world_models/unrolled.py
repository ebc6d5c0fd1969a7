"""A whole rollout as one graph: `step.onnx` laid end to end, as often as a plan has steps."""

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, compose, helper, numpy_helper

from wm_planner.world_models.card import Card

ACTIONS = "actions"
LATENT, OUTPUT, NEXT = "latent.", "output.", "next."
"""What names of outputs begin with: a rollout's latents, outputs of both graphs, a step's latents."""

_COUNT = "count"
"""Inside of the graph: the number of candidates, (1,)."""


def unrolled(step: ModelProto, card: Card, horizon: int) -> ModelProto:
    """The graph that imagines `horizon` steps in one call, with the weights of `step` in it once.

    Inputs are the latent's arrays, (1, ...) or (N, ...), and `actions` (N, H, A); outputs are
    `latent.<name>` (N, H, ...) of the arrays whose role is `candidate`, and `output.<name>` (N, H, ...).
    """
    body = GraphProto()
    body.CopyFrom(step.graph)
    del body.initializer[:], body.value_info[:]
    nodes = [helper.make_node("Shape", [ACTIONS], [_COUNT], start=0, end=1)]
    now = {spec.name: spec.name for spec in card.latents}
    moving = [spec for spec in card.latents if spec.role != "shared"]
    for spec in moving:
        now[spec.name] = f"0/{spec.name}"
        nodes += _repeated(spec.name, len(spec.shape), now[spec.name])
    for h in range(horizon):
        nodes += _step(body, h, now)
        now |= {spec.name: f"{h}/{NEXT}{spec.name}" for spec in moving}
    kept = {f"{NEXT}{spec.name}": LATENT + spec.name for spec in moving if spec.role == "candidate"}
    kept |= {port.name: port.name for port in body.output if port.name.startswith(OUTPUT)}
    for name, whole in kept.items():
        nodes += _along_horizon(name, horizon, whole)
    ports = {port.name: port for port in (*body.input, *body.output)}
    starts = [_port(ports[spec.name], spec.name, [1 if spec.role == "shared" else "B"]) for spec in card.latents]
    wholes = [_port(ports[name], whole, ["N", horizon]) for name, whole in kept.items()]
    graph = helper.make_graph(
        nodes,
        "rollout",
        [*starts, _port(ports["action"], ACTIONS, ["N", horizon])],
        wholes,
        step.graph.initializer,
    )
    return helper.make_model(
        graph, opset_imports=step.opset_import, functions=step.functions, ir_version=step.ir_version
    )


def _step(body: GraphProto, h: int, now: Mapping[str, str]) -> list[NodeProto]:
    """The nodes of step `h`, all names but those of weights made its own.

    Args:
        now: array of the latent to its name in the rollout's graph.
    """
    action = f"{h}/action"
    taken = helper.make_node("Gather", [ACTIONS, f"{h}/h"], [action], axis=1)  # (N, A)
    own = compose.add_prefix_graph(
        body,
        f"{h}/",
        rename_inputs=False,
        rename_initializers=False,
        name_map={**now, "action": action},
    )
    return [_constant(f"{h}/h", h), taken, *own.node]


def _repeated(name: str, axes: int, to: str) -> list[NodeProto]:
    """(N, ...) of an array (1, ...) or (N, ...)."""
    return [
        _constant(f"{to}.ones", [1] * axes),
        helper.make_node("Concat", [_COUNT, f"{to}.ones"], [f"{to}.shape"], axis=0),
        helper.make_node("Expand", [name, f"{to}.shape"], [to]),
    ]


def _along_horizon(name: str, horizon: int, to: str) -> list[NodeProto]:
    """(N, H, ...) of the arrays (N, ...) of all steps."""
    columns = [f"{h}/{name}.column" for h in range(horizon)]
    axis = f"{to}.axis"
    parts = [helper.make_node("Unsqueeze", [f"{h}/{name}", axis], [columns[h]]) for h in range(horizon)]
    return [_constant(axis, [1]), *parts, helper.make_node("Concat", columns, [to], axis=1)]


def _constant(name: str, value: int | list[int]) -> NodeProto:
    tensor = numpy_helper.from_array(np.asarray(value, np.int64))
    return helper.make_node("Constant", [], [name], value=tensor)


def _port(like: ValueInfoProto, name: str, leading: list[int | str]) -> ValueInfoProto:
    """An input or output like that of a step, with other axes instead of its first."""
    kind = like.type.tensor_type
    axes = [axis.dim_param or axis.dim_value for axis in kind.shape.dim][1:]
    return helper.make_tensor_value_info(name, kind.elem_type, [*leading, *axes])
