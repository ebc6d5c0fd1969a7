"""A point mass as a world model, and as a handmade bundle of ONNX graphs."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper

from wm_planner.checksum import sha256
from wm_planner.contracts.card import ActionSpec, Card, GraphSpec, LatentSpec, ObservationSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.latent import LatentGoal
from wm_planner.planners import PLANNERS
from wm_planner.planners.problem import Problem
from wm_planner.world_models.onnx.card_file import write_card


def action_spec(size=2, low=-1.0, high=1.0):
    return ActionSpec(
        names=tuple(f"a{i}" for i in range(size)),
        units=("m",) * size,
        low=(low,) * size,
        high=(high,) * size,
    )


def make_card(action=None, **changes):
    action = action or action_spec()
    size = len(action.names)
    values = {
        "name": "toy",
        "family": "point_mass",
        "about": "z' = z + a",
        "observation": ObservationSpec(
            cameras=("front",),
            height=4,
            width=4,
            joined="channels",
            input_shape=(3, 4, 4),
            state=(Quantity(name="position", size=size, unit="m"),),
        ),
        "action": action,
        "control_dt_s": 0.1,
        "latents": (LatentSpec(name="z", shape=(size,)),),
    }
    return Card(**(values | changes))


class PointMass:
    """z' = z + a; `seen` records every batch of candidates."""

    def __init__(self, action=None, **changes):
        self.card = make_card(action, **changes)
        self.seen = []

    def encode(self, observation, last_action=None, memory=None, noise=None):
        return {"z": np.asarray(observation.state["position"], np.float32)[None]}

    def step(self, latent, action, noise=None):
        return {"z": latent["z"] + action}, {}

    def rollout(self, latent, actions, noise=None):
        self.seen.append(actions.copy())
        return Rollout({"z": latent["z"][:, None] + np.cumsum(actions, axis=1)})

    @property
    def evaluations(self):
        return sum(len(batch) for batch in self.seen)


class CostOf:
    """A cost given by a plain function of the actions (N, H, A)."""

    requires = frozenset()

    def __init__(self, function):
        self.function = function

    def __call__(self, rollout, actions, context):
        return self.function(actions)


def quadratic(target):
    """The squared distance of the actions from `target`, summed over steps and components."""
    target = np.asarray(target, np.float32)
    return CostOf(lambda actions: ((actions - target) ** 2).sum(axis=(1, 2)))


def problem(cost, model=None, context=None):
    """A problem with one cost, starting at the origin."""
    model = model or PointMass()
    latent = {"z": np.zeros((1, len(model.card.action.names)), np.float32)}
    return Problem(model, latent, [WeightedCost("only", cost)], context or Context())


def reach(goal, model=None):
    """The problem of moving the point mass from the origin to `goal`."""
    context = Context(goal_latent={"z": np.asarray(goal, np.float32)[None]})
    return problem(LatentGoal(LatentGoal.Config()), model, context)


def plan_fingerprint(planner_type, model=None):
    """A hash of the bytes of a plan with two action components."""
    config = {"type": planner_type, "samples": 100, "horizon": 5}
    plan = PLANNERS.build(config, "test").plan(reach([1, 1], model), rng=np.random.default_rng([1, 2, 3]))
    return hashlib.sha256(plan.actions.tobytes() + np.float64(plan.cost).tobytes()).hexdigest()


def write_bundle(folder: Path, card: Card, encode=None, step=None, act=None) -> Card:
    """Write `card` and its graphs, and return the card with their checksums."""
    folder.mkdir(exist_ok=True)
    graphs = {"encode": encode or encode_graph(card), "step": step or step_graph(card)}
    if act:
        graphs["act"] = act
    specs = {}
    for name, model in graphs.items():
        onnx.save(model, folder / f"{name}.onnx")
        specs[name] = GraphSpec(sha256=sha256(folder / f"{name}.onnx"))
    card = msgspec.structs.replace(card, graphs=specs)
    write_card(card, folder)
    return card


def encode_graph(card, height=None):
    """z is the state plus the mean of every image, so that every input has an effect."""
    spec, size = card.observation, card.latents[0].shape[0]
    shape = ["B", height or spec.height, spec.width, 3]
    inputs = [_value(f"image.{camera}", shape, TensorProto.UINT8) for camera in spec.cameras]
    inputs.append(_value("state", ["B", size]))
    nodes = []
    for camera in spec.cameras:
        nodes += [
            helper.make_node("Cast", [f"image.{camera}"], [f"{camera}.float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", [f"{camera}.float", "axes"], [f"{camera}.mean"], keepdims=0),
            helper.make_node("Unsqueeze", [f"{camera}.mean", "last"], [f"{camera}.column"]),
        ]
    nodes.append(helper.make_node("Sum", ["state", *(f"{camera}.column" for camera in spec.cameras)], ["z"]))
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
    ]
    return _model("encode", nodes, inputs, [_value("z", ["B", size])], constants)


def step_graph(card, latent=None, batch="N", action="action"):
    """z' = z + a; the reward, if the card lists one, is the sum of the action."""
    size, actions = latent or card.latents[0].shape[0], len(card.action.names)
    inputs = [_value("z", [batch, size]), _value(action, [batch, actions])]
    outputs = [_value("next.z", [batch, size])]
    nodes, constants = [helper.make_node("Add", ["z", action], ["next.z"])], []
    if latent:
        nodes = [helper.make_node("Identity", ["z"], ["next.z"])]
    if "reward" in card.capabilities:
        nodes.append(helper.make_node("ReduceSum", [action, "axes"], ["output.reward"], keepdims=0))
        outputs.append(_value("output.reward", [batch]))
        constants.append(helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
    return _model("step", nodes, inputs, outputs, constants)


def act_graph(card, goal="goal.z", action="action", copies=1):
    """The action is the offset to the goal; without a goal, to the origin. `copies` of it are joined."""
    size, actions = card.latents[0].shape[0], len(card.action.names)
    inputs = [_value("z", ["N", size])] + ([_value(goal, [1, size])] if goal else [])
    nodes = [helper.make_node("Sub", [goal, "z"], ["a"]) if goal else helper.make_node("Neg", ["z"], ["a"])]
    nodes.append(helper.make_node("Concat", ["a"] * copies, [action], axis=1))
    return _model(
        "act", nodes, inputs, [_value(action, ["N", copies * (card.action.choices or actions)])], []
    )


def _value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def _model(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
