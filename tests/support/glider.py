"""A glider as a handmade recurrent bundle: the observation holds its position, speed is memory.

z' = z + v', v' = v + a + gust, with the noise `gust` of a step. `encode` estimates the speed from two
positions, `trail` is a hidden array, and the surprise is the distance from the position that memory predicts.
"""

import onnx
from point_mass import make_card, write_bundle

from wm_planner.contracts.card import LatentSpec, NoiseSpec, ObservationSpec
from wm_planner.contracts.quantity import Quantity

ENCODE = """
<ir_version: 9, opset_import: ["": {opset}]>
encode (float[1, 2] state, float[1, 2] memory__z, float[1, 2] memory__v, float[1, 1] memory__trail,
        float[1, 2] last_action, float[1] fresh, float[1, 2] noise__blur)
    => (float[1, 2] z, float[1, 2] v, float[1, 1] trail, float[1] output__surprise)
<int64[1] last = {{1}}, float[1] one = {{1.0}}>
{{
    known = Sub (one, fresh)
    z = Add (state, noise__blur)
    moved = Sub (z, memory__z)
    v = Mul (known, moved)
    longer = Add (memory__trail, one)
    trail = Mul (known, longer)
    faster = Add (memory__v, last_action)
    off = Sub (moved, faster)
    squares = Mul (off, off)
    sum = {sum}
    output__surprise = Mul (known, sum)
}}
"""

STEP = """
<ir_version: 9, opset_import: ["": {opset}]>
step (float[N, 2] z, float[N, 2] v, float[N, 1] trail, float[N, 2] action, float[N, 2] noise__gust)
    => (float[N, 2] next__z, float[N, 2] next__v, float[N, 1] next__trail, float[N] output__reward,
        float[N] output__continue)
<int64[1] last = {{1}}, float[1] one = {{1.0}}, float[1] zero = {{0.0}}>
{{
    next__v = Sum (v, action, noise__gust)
    next__z = Add (z, next__v)
    next__trail = Add (trail, one)
    squares = Mul (next__z, next__z)
    sum = {sum}
    output__reward = Neg (sum)
    still = Mul (sum, zero)
    output__continue = Add (still, one)
}}
"""


def glider_card(**changes):
    """The card of the glider."""
    values = {
        "name": "glider",
        "observation": ObservationSpec(state=(Quantity(name="position", size=2, unit="m"),)),
        "latents": (
            LatentSpec(name="z", shape=(2,), unit="m"),
            LatentSpec(name="v", shape=(2,)),
            LatentSpec(name="trail", shape=(1,), role="hidden"),
        ),
        "noise": (
            NoiseSpec(name="blur", shape=(2,), kind="normal", graph="encode"),
            NoiseSpec(name="gust", shape=(2,), kind="normal"),
        ),
        "remembers": True,
        "capabilities": ("reward", "continue", "surprise"),
    }
    return make_card(**(values | changes))


def glider_graph(text, opset=18):
    """One of the graphs, of an operator set; "__" stands for the dot that the text format does not know."""
    total = "ReduceSum <keepdims = 0> (squares, last)"
    if opset < 13:
        total = "ReduceSum <keepdims = 0, axes = [1]> (squares)"
    model = onnx.parser.parse_model(text.format(opset=opset, sum=total))
    for port in (*model.graph.input, *model.graph.output):
        port.name = port.name.replace("__", ".")
    for node in model.graph.node:
        node.input[:] = [name.replace("__", ".") for name in node.input]
        node.output[:] = [name.replace("__", ".") for name in node.output]
    return model


def write_glider(folder, opset=18, **changes):
    """Write the bundle, and return its card."""
    encode, step = glider_graph(ENCODE, opset), glider_graph(STEP, opset)
    return write_bundle(folder, glider_card(**changes), encode, step)
