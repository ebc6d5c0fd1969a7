"""A whole rollout as one graph: a Scan over the horizon whose body is `step.onnx`."""

import itertools

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, compose, helper, numpy_helper

from wm_planner.contracts.card import Card
from wm_planner.world_models.onnx.signature import NOISE

ACTIONS = "actions"
LATENT, OUTPUT, NEXT = "latent.", "output.", "next."
"""Prefixes of output names: latents of a rollout, outputs of both graphs, latents of a step."""

START = "start."
"""Prefix of the names of arrays that are repeated to one per candidate."""

OPSET = 18
"""Operator set of graphs that do not contain a bundle's own."""

_COUNT = "count"
"""Name of the internal value that holds the number of candidates, (1,)."""


def rollout_graph(step: ModelProto, card: Card) -> ModelProto:
    """The graph that imagines all steps of a plan in one call.

    Its inputs are the latent's arrays, (1, ...) or (N, ...), `actions`, (N, H, A), and `noise.<name>`,
    (1, H, ...) or (N, H, ...). Its outputs are `latent.<name>`, (N, H, ...), for the arrays of role
    `candidate`, and `output.<name>`, (N, H, ...).
    """
    moving = [spec.name for spec in card.latents if spec.role != "shared"]
    kept = {NEXT + spec.name: LATENT + spec.name for spec in card.latents if spec.role == "candidate"}
    kept |= {port.name: port.name for port in step.graph.output if port.name.startswith(OUTPUT)}
    noise = [NOISE + spec.name for spec in card.noise if spec.graph == "step"]
    count = helper.make_node("Shape", [ACTIONS], [_COUNT], start=0, end=1)
    repeats = [_repeated(spec.name, len(spec.shape)) for spec in card.latents if spec.name in moving]
    scan = helper.make_node(
        "Scan",
        [*(START + name for name in moving), ACTIONS, *noise],
        [*(f"last.{name}" for name in moving), *kept.values()],
        body=_body(step.graph, moving, list(kept), noise),
        num_scan_inputs=1 + len(noise),
        scan_input_axes=[1] * (1 + len(noise)),
        scan_output_axes=[1] * len(kept),
    )
    ports = {port.name: port for port in (*step.graph.input, *step.graph.output)}
    shapes = [_shape_node(name, len(_axes(ports[name]))) for name in noise]
    nodes = [count, *itertools.chain(*repeats, *shapes), scan]
    starts = {spec.name: 1 if spec.role == "shared" else "B" for spec in card.latents}
    inputs = [_port(ports[name], name, [size]) for name, size in starts.items()]
    inputs += [_port(ports["action"], ACTIONS, ["N", "H"])]
    inputs += [_port(ports[name], name, [f"B.{name}", "H"]) for name in noise]
    outputs = [_port(ports[name], whole, ["N", "H"]) for name, whole in kept.items()]
    graph = helper.make_graph(nodes, "rollout", inputs, outputs)
    return helper.make_model(
        graph, opset_imports=step.opset_import, functions=step.functions, ir_version=step.ir_version
    )


def start_graph(card: Card) -> ModelProto:
    """The graph that repeats what `count` candidates start from, where it is: arrays (1, ...) to (N, ...).

    Its inputs are the latent's arrays, except shared ones, and `actions`, (N, H, A); its outputs are
    `start.<name>`.
    """
    moving = [spec for spec in card.latents if spec.role != "shared"]
    kinds = {spec.name: helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)) for spec in moving}
    actions = helper.make_tensor_value_info(ACTIONS, TensorProto.FLOAT, ["N", "H", len(card.action.names)])
    ports = [
        [helper.make_tensor_value_info(prefix + z.name, kinds[z.name], [size, *z.shape]) for z in moving]
        for prefix, size in (("", "B"), (START, "N"))
    ]
    count = helper.make_node("Shape", [ACTIONS], [_COUNT], start=0, end=1)
    repeats = (_repeated(spec.name, len(spec.shape)) for spec in moving)
    nodes = [count, *itertools.chain(*repeats)]
    graph = helper.make_graph(nodes, "start", [*ports[0], actions], ports[1])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def _body(step: GraphProto, moving: list[str], kept: list[str], noise: list[str]) -> GraphProto:
    """The body of the Scan: takes the moving arrays, an action and noise, returns the moving and the kept
    arrays. Noise is repeated to one per candidate here, where it is small.

    Inner shape annotations are dropped, because with them ONNX Runtime fuses some nodes into a slower one. So
    is the symbolic name of the number of candidates, which may differ between rollouts in the same graph.
    """
    bare = GraphProto()
    bare.CopyFrom(step)
    del bare.value_info[:]
    own = {name: f"step/{name}" for name in (*moving, "action", *noise)}  # the outer graph has shared ones
    body = compose.add_prefix_graph(bare, "step/", rename_inputs=False, name_map=dict(own), inplace=True)
    ports = {port.name: port for port in (*body.input, *body.output)}
    inputs = [_port(ports[own[name]], own[name], [None]) for name in (*moving, "action")]
    inputs += [_port(ports[own[name]], f"drawn/{name}", [None]) for name in noise]
    draws = [helper.make_node("Expand", [f"drawn/{name}", f"shape.{name}"], [own[name]]) for name in noise]
    outputs = [_port(ports[f"step/{NEXT}{name}"], f"step/{NEXT}{name}", [None]) for name in moving]
    outputs += [_port(ports[f"step/{name}"], f"each/{name}", [None]) for name in kept]
    nodes = [helper.make_node("Identity", [f"step/{name}"], [f"each/{name}"]) for name in kept]
    return helper.make_graph([*draws, *body.node, *nodes], "step", inputs, outputs, body.initializer)


def _repeated(name: str, axes: int) -> list[NodeProto]:
    """Nodes that expand an array (1, ...) or (N, ...) to `start.<name>`, (N, ...)."""
    return [
        *_shape_node(name, axes),
        helper.make_node("Expand", [name, f"shape.{name}"], [START + name]),
    ]


def _shape_node(name: str, axes: int) -> list[NodeProto]:
    """Nodes that compute `shape.<name>`, (N, 1, ...), to which an array with that many axes is expanded."""
    ones = numpy_helper.from_array(np.ones(axes, np.int64))
    return [
        helper.make_node("Constant", [], [f"ones.{name}"], value=ones),
        helper.make_node("Concat", [_COUNT, f"ones.{name}"], [f"shape.{name}"], axis=0),
    ]


def _axes(port: ValueInfoProto) -> list[str | int]:
    """The axes after the first."""
    return [axis.dim_param or axis.dim_value for axis in port.type.tensor_type.shape.dim][1:]


def _port(like: ValueInfoProto, name: str, leading: list[int | str | None]) -> ValueInfoProto:
    """An input or output like that of a step, with the axes `leading` in place of its first."""
    kind = like.type.tensor_type
    return helper.make_tensor_value_info(name, kind.elem_type, [*leading, *_axes(like)])
