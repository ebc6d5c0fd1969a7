"""A world model without training: the equations of Gymnasium's Pendulum-v1 as a bundle of ONNX graphs.

python examples/write_a_bundle.py
wm launch pendulum model=runs/bundles/pendulum
"""

import sys
from pathlib import Path

import numpy as np
import onnx.parser

import wm_planner as wm
from wm_planner.checksum import sha256
from wm_planner.contracts.card import ActionSpec, Card, GraphSpec, LatentSpec, ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.world_models.onnx.card_file import write_card

ENCODE = "encode (float[B, 3] state) => (float[B, 3] z) { z = Identity(state) }"
STEP = """step (float[N, 3] z, float[N, 1] action) => (float[N, 3] next_z, float[N] output_reward)
<float dt = {0.05}, float gravity = {15.0}, float gain = {3.0}, float fastest = {8.0}, float slowest = {-8.0},
 float one = {1.0}, float minus_one = {-1.0}, float of_speed = {0.1}, float of_torque = {0.001},
 int64[1] axis = {1}> {
    c, s, w = Split <axis = 1, num_outputs = 3> (z)  # cosine and sine of the angle, angular velocity
    pull = Mul(gravity, s)  push = Mul(gain, action)  acceleration = Add(pull, push)
    change = Mul(acceleration, dt)  sum = Add(w, change)  next_w = Clip(sum, slowest, fastest)
    turn = Mul(next_w, dt)  ct = Cos(turn)  st = Sin(turn)  cc = Mul(c, ct)  ss = Mul(s, st)
    next_c = Sub(cc, ss)  sc = Mul(s, ct)  cs = Mul(c, st)  next_s = Add(sc, cs)
    next_z = Concat <axis = 1> (next_c, next_s, next_w)
    inside = Clip(c, minus_one, one)  angle = Acos(inside)  aa = Mul(angle, angle)
    ww = Mul(w, w)  www = Mul(of_speed, ww)  uu = Mul(action, action)  uuu = Mul(of_torque, uu)
    penalty = Sum(aa, www, uuu)  reward = Neg(penalty)  output_reward = Squeeze(reward, axis)
}"""
NAMES = {"next_z": "next.z", "output_reward": "output.reward"}  # the text has no dots in names
folder, graphs = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/bundles/pendulum"), {}
folder.mkdir(parents=True, exist_ok=True)
for name, text in (("encode", ENCODE), ("step", STEP)):
    graph = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> {text}')
    for node in graph.graph.node:
        node.output[:] = [NAMES.get(output, output) for output in node.output]
    for value in graph.graph.output:
        value.name = NAMES.get(value.name, value.name)
    onnx.save(graph, folder / f"{name}.onnx")
    graphs[name] = GraphSpec(sha256=sha256(folder / f"{name}.onnx"))
card = Card(
    name="pendulum",
    family="pendulum",
    about="The equations of Gymnasium's Pendulum-v1, with its reward; not trained.",
    observation=ObservationSpec(state=(Quantity(name="observation", size=3, unit="1, 1, rad/s"),)),
    action=ActionSpec(names=("torque",), units=("N m",), low=(-2.0,), high=(2.0,)),
    control_dt_s=0.05,
    latents=(LatentSpec(name="z", shape=(3,)),),
    capabilities=("reward",),
    graphs=graphs,
)
write_card(card, folder)

hanging = {"z": np.array([[-1.0, 0.0, 0.0]], np.float32)}
after, _ = wm.OnnxWorldModel.load(folder).step(hanging, np.array([[2.0]], np.float32))
print(f"{folder}: full torque on a hanging pendulum gives {after['z'][0, 2]:.2f} rad/s in one step")
