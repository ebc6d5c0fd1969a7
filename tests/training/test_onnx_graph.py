"""Graphs of bundles in torch: the same numbers as ONNX Runtime's, with gradients."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from wm_planner import share
from wm_planner.errors import BundleError
from wm_planner.training.onnx_graph import OnnxGraph

BUNDLES = share.listing("models/bundles")


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("count", [1, 3])
def test_a_step_of_every_shipped_bundle_equals_that_of_onnx_runtime(bundle, count):
    path = share.find(f"models/bundles/{bundle}") / "step.onnx"
    session, rng = session_of(path), np.random.default_rng(0)
    feed = {
        port.name: rng.integers(0, 2, (count, *port.shape[1:]))
        if port.type == "tensor(int64)"
        else 0.1 * rng.standard_normal((count, *port.shape[1:])).astype(np.float32)
        for port in session.get_inputs()
    }
    wanted = session.run(None, feed)
    graph = OnnxGraph(path)
    halves = any(array.dtype == torch.float16 for array in graph._constants.values())
    tolerance = 4 * torch.finfo(torch.float16).eps if halves else 1e-5
    got = graph({name: torch.tensor(array) for name, array in feed.items()})
    for port, array in zip(session.get_outputs(), wanted, strict=True):
        np.testing.assert_allclose(got[port.name].numpy(), array, rtol=tolerance, atol=tolerance)


def test_gradients_are_those_of_finite_differences():
    graph = OnnxGraph(share.find("models/bundles/panda_reach_small") / "step.onnx")
    rng = np.random.default_rng(0)
    z = torch.tensor(rng.standard_normal((1, 64)), dtype=torch.float32)
    action = torch.tensor([[0.01, -0.02, 0.03]], requires_grad=True)

    def height(action):
        return graph({"z": z, "action": action})["next.z"].square().sum()

    (gradient,) = torch.autograd.grad(height(action), action)
    for index in range(3):
        change = torch.zeros(1, 3)
        change[0, index] = 1e-3
        slope = (height(action + change) - height(action - change)) / 2e-3
        assert float(slope.detach()) == pytest.approx(float(gradient[0, index]), rel=0.02, abs=0.1)


def saved(folder, node, inputs, outputs, constants=()):
    """The path of a graph of one node."""
    ports = [
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in some.items()]
        for some in (inputs, outputs)
    ]
    graph = helper.make_graph([node], "one", *ports, list(constants))
    path = folder / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


FLOAT = TensorProto.FLOAT
ONE_NODE = {
    "slice with a negative step": (
        helper.make_node("Slice", ["x", "from", "to", "axes", "steps"], ["y"]),
        [integers("from", -1), integers("to", -10), integers("axes", 1), integers("steps", -2)],
    ),
    "slice at the end": (
        helper.make_node("Slice", ["x", "from", "to", "axes"], ["y"]),
        [integers("from", 1), integers("to", 2**62), integers("axes", -1)],
    ),
    "pad": (helper.make_node("Pad", ["x", "pads"], ["y"]), [integers("pads", 0, 1, 0, 0, 0, 2)]),
    "reshape that keeps an axis": (
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
        [integers("shape", 0, -1)],
    ),
    "gather": (helper.make_node("Gather", ["x", "rows"], ["y"], axis=1), [integers("rows", 2, 0, -1)]),
    "gather places": (
        helper.make_node("GatherND", ["x", "places"], ["y"]),
        [numpy_helper.from_array(np.array([[[1, 2], [0, -1]]]), "places")],
    ),
    "gather a place of each row": (
        helper.make_node("GatherND", ["x", "places"], ["y"], batch_dims=1),
        [numpy_helper.from_array(np.array([[[2, 1], [0, 3]], [[1, 0], [-1, -2]]]), "places")],
    ),
    "remainder": (
        helper.make_node("Mod", ["x", "by"], ["y"], fmod=1),
        [numpy_helper.from_array(np.float32(0.3), "by")],
    ),
    "expand": (helper.make_node("Expand", ["x", "shape"], ["y"]), [integers("shape", 5, 1, 1, 1)]),
    "reduce over all": (helper.make_node("ReduceMean", ["x"], ["y"], keepdims=1), []),
    "reduce": (helper.make_node("ReduceMax", ["x", "axes"], ["y"], keepdims=0), [integers("axes", -1)]),
    "clip from below": (
        helper.make_node("Clip", ["x", "low"], ["y"]),
        [numpy_helper.from_array(np.float32(0.2), "low")],
    ),
    "gelu": (helper.make_node("Gelu", ["x"], ["y"], approximate="tanh"), []),
    "layer norm": (
        helper.make_node("LayerNormalization", ["x", "scale"], ["y"], axis=-2),
        [numpy_helper.from_array(np.full((3, 4), 0.5, np.float32), "scale")],
    ),
    "transpose": (helper.make_node("Transpose", ["x"], ["y"]), []),
    "cast": (helper.make_node("Cast", ["x"], ["y"], to=FLOAT), []),
    "squeeze": (helper.make_node("Unsqueeze", ["x", "axes"], ["y"]), [integers("axes", 0, -1)]),
}


@pytest.mark.parametrize("what", ONE_NODE)
def test_operators_mean_what_they_mean_in_onnx_runtime(what, tmp_path):
    node, constants = ONE_NODE[what]
    path = saved(tmp_path, node, {"x": (FLOAT, [2, 3, 4])}, {"y": (FLOAT, None)}, constants)
    if what == "gelu":
        model = onnx.load(path)
        model.opset_import[0].version = 20
        onnx.save(model, path)
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    (wanted,) = session_of(path).run(None, {"x": x})
    got = OnnxGraph(path)({"x": torch.tensor(x)})["y"].numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_an_operator_without_a_gradient_is_refused_by_name(tmp_path):
    node = helper.make_node("RandomNormalLike", ["x"], ["y"])
    path = saved(tmp_path, node, {"x": (FLOAT, [2])}, {"y": (FLOAT, [2])})
    with pytest.raises(BundleError, match="operators RandomNormalLike are not supported in torch; give the"):
        OnnxGraph(Path(path))
