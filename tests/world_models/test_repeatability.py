"""Bundles whose graphs depend on chance or on the batch, and those whose step cannot be looped in a graph."""

import numpy as np
import onnx
import pytest
from glider import write_glider
from point_mass import act_graph, make_card, write_bundle

from wm_planner.contracts.card import PolicySpec
from wm_planner.contracts.observation import Observation
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx.model import OnnxWorldModel

HEADER = '<ir_version: 9, opset_import: ["": 18]>\n'
STEP = HEADER + "step (float[N, 2] z, float[N, 2] action) => (float[N, 2] next__z) {body}"
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)

DYNAMIC_INT8 = """
<int8[2, 2] weight = {100, 0, 0, 100}, float scale = {0.01}>
{
    coarse, step, zero = DynamicQuantizeLinear (z)
    product = MatMulInteger (coarse, weight, zero)
    wide = Cast <to = 1> (product)
    part = Mul (wide, step)
    moved = Mul (part, scale)
    next__z = Add (moved, action)
}
"""
MEAN_OVER_BATCH = """
<int64[1] first = {0}>
{
    mean = ReduceMean <keepdims = 1> (z, first)
    next__z = Sum (z, action, mean)
}
"""
RANDOM = """
{
    drawn = RandomNormalLike (z)
    next__z = Sum (z, action, drawn)
}
"""
MEAN_ACTION = """
<int64[1] first = {0}>
{
    mean = ReduceMean <keepdims = 1> (z, first)
    action = Sub (z, mean)
}
"""
CONTROL_FLOW = """
<bool always = {1}, float[1] gain = {2.0}>
{
    pushed = Mul (action, gain)
    next__z = If (always) <
        then_branch = then () => (float[N, 2] moved) { moved = Add (z, pushed) },
        else_branch = other () => (float[N, 2] kept) { kept = Mul (z, gain) }
    >
}
"""


ACT = HEADER + "act (float[N, 2] z) => (float[N, 2] action) {body}"
POLICY = make_card(policy=PolicySpec(goal=False))


def bundle(folder, body, card=None, act=None):
    model = onnx.parser.parse_model(STEP.replace("{body}", body))
    for port in model.graph.output:
        port.name = port.name.replace("__", ".")
    for node in model.graph.node:
        node.output[:] = [name.replace("__", ".") for name in node.output]
    write_bundle(folder, card or make_card(), step=model, act=act)
    return folder


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (DYNAMIC_INT8, r"step.onnx: z of a candidate differs by .*% between alone and among 3"),
        (MEAN_OVER_BATCH, r"step.onnx: z of a candidate differs by .*% between alone and among 3"),
        (RANDOM, r"step.onnx returns another z for the same inputs: pass its random numbers in as noise"),
    ],
    ids=["dynamic int8", "mean over the batch", "random numbers"],
)
def test_a_step_that_is_not_a_function_of_its_candidate_is_refused(tmp_path, body, reason):
    with pytest.raises(BundleError, match=reason):
        OnnxWorldModel.load(bundle(tmp_path / "toy", body), device="cpu")


def test_an_encoder_that_draws_random_numbers_is_refused(tmp_path):
    card = write_bundle(tmp_path / "toy", make_card())
    encode = onnx.load(tmp_path / "toy" / "encode.onnx")
    encode.graph.node[-1].output[0] = "calm"
    encode.graph.node.append(onnx.helper.make_node("RandomNormalLike", ["calm"], ["drawn"]))
    encode.graph.node.append(onnx.helper.make_node("Add", ["calm", "drawn"], ["z"]))
    write_bundle(tmp_path / "toy", card, encode=encode)
    with pytest.raises(BundleError, match=r"encode.onnx returns another z for the same inputs"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (MEAN_ACTION, "differs by .*% between alone"),
        (
            "{ drawn = RandomNormalLike (z) action = Add (z, drawn) }",
            "returns another action for the same inputs",
        ),
    ],
    ids=["mean over the batch", "random numbers"],
)
def test_a_policy_that_is_not_a_function_of_its_latent_is_refused(tmp_path, body, reason):
    act = onnx.parser.parse_model(ACT.replace("{body}", body))
    write_bundle(tmp_path / "toy", POLICY, act=act)
    with pytest.raises(BundleError, match=f"act.onnx:? .*{reason}"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def test_a_policy_in_a_step_with_control_flow_is_unrolled_call_by_call(tmp_path):
    act = act_graph(POLICY, goal=None)
    model = OnnxWorldModel.load(bundle(tmp_path / "toy", CONTROL_FLOW, POLICY, act), device="cpu")
    assert model.unroll({"z": np.zeros((1, 2), np.float32)}, None, 3) is None
    write_bundle(tmp_path / "plain", POLICY, act=act)
    plain = OnnxWorldModel.load(tmp_path / "plain", device="cpu")
    assert plain.unroll({"z": np.zeros((1, 2), np.float32)}, None, 3) is not None


@pytest.mark.parametrize("opset", [11, 12, 14, 18])
def test_an_old_operator_set_imagines_step_by_step_and_says_so(tmp_path, opset):
    write_glider(tmp_path / "old", opset)
    write_glider(tmp_path / "new")
    old, new = (OnnxWorldModel.load(tmp_path / name, device="cpu") for name in ("old", "new"))
    assert bool(old.note) == (opset < 15) and not new.note
    if old.note:
        assert "step.onnx: rollouts take one call per step" in old.note and "operator set 15" in old.note
    latent = new.encode(Observation({}, {"position": np.array([1.0, 2.0])}))
    noise = {"gust": np.ones((1, 3, 2))}
    ours, theirs = (model.rollout(latent, ACTIONS, noise) for model in (old, new))
    np.testing.assert_allclose(ours.latents["z"], theirs.latents["z"], atol=1e-6)
    np.testing.assert_allclose(ours.outputs["reward"], theirs.outputs["reward"], atol=1e-5)


def test_a_step_with_control_flow_imagines_step_by_step_and_says_so(tmp_path):
    model = OnnxWorldModel.load(bundle(tmp_path / "toy", CONTROL_FLOW), device="cpu")
    assert "without control flow" in model.note
    rollout = model.rollout({"z": np.zeros((1, 2), np.float32)}, ACTIONS)
    np.testing.assert_allclose(rollout.latents["z"], 2 * np.cumsum(ACTIONS, axis=1), atol=1e-6)
