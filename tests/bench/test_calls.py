"""The benchmark of model calls, and the count of floating-point operations."""

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from point_mass import make_card, write_bundle
from typer.testing import CliRunner

from wm_planner.bench.measurements.calls import call_rows
from wm_planner.bench.problems.flops import peak_flops, product_flops
from wm_planner.cli.bench import app
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx import call_size
from wm_planner.world_models.onnx.card_file import read_card


def products(path, shape_of_weights=(3, 5)):
    """A graph with two products of (N, 7, 3) with (3, 5), the second after a Reshape to a computed shape."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, shape_of_weights, np.ones(np.prod(shape_of_weights)))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Reshape", ["x", "shape"], ["again"]),
        helper.make_node("MatMul", ["again", "w"], ["z"]),
        helper.make_node("Add", ["y", "z"], ["sum"]),
    ]
    value = helper.make_tensor_value_info
    inputs, outputs = (
        [value("x", TensorProto.FLOAT, ["N", 7, 3])],
        [value("sum", TensorProto.FLOAT, ["N", 7, 5])],
    )
    graph = helper.make_graph(nodes, "products", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def test_products_are_counted_for_the_batch_size(tmp_path):
    path = products(tmp_path / "products.onnx")
    assert product_flops(path, batch=4) == 2 * (2 * 4 * 7 * 3 * 5)
    assert product_flops(path, batch=8) == 2 * product_flops(path, batch=4)


def test_a_product_of_unknown_shape_is_refused(tmp_path):
    model = onnx.load(products(tmp_path / "products.onnx"))
    model.graph.node[2].op_type, model.graph.node[2].input[:] = "Compress", ["x", "mask"]
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, ["N"]))
    onnx.save(model, tmp_path / "unknown.onnx")
    with pytest.raises(BundleError, match="the shape of the product"):
        product_flops(tmp_path / "unknown.onnx", batch=4)


def test_the_peak_rate_is_plausible():
    assert 1e8 < peak_flops(size=128, repeats=5) < 1e13


def test_the_best_call_size_is_printed_and_written_on_the_card(tmp_path, monkeypatch):
    card = write_bundle(tmp_path / "toy", make_card())
    monkeypatch.setattr(call_size, "call_times_us", lambda model: {16: 2.0, 48: 1.5, 128: 1.9})
    command = ["call-size", "--model", str(tmp_path / "toy")]
    printed = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert "1.5" in printed and "48" in printed
    assert read_card(tmp_path / "toy").max_candidates == card.max_candidates == 512
    CliRunner().invoke(app, [*command, "--cards"], catch_exceptions=False)
    assert read_card(tmp_path / "toy") == msgspec.structs.replace(card, max_candidates=48)


def test_all_variants_are_timed_and_compared(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    planner = {"type": "cem", "samples": 16, "horizon": 3, "iterations": 2}
    rows = {
        row.what: row
        for row in call_rows(str(tmp_path / "toy"), planner, [{"type": "latent_goal"}], repeats=3)
    }
    assert list(rows) == [
        *("rollout, step by step", "rollout, one call"),
        *("costs, step by step", "costs, bound arrays"),
        *("plan, step by step", "plan, one call per rollout", "plan, one graph"),
    ]
    assert rows["rollout, step by step"].gain == rows["plan, step by step"].gain == 1
    assert all(row.cpu_ms > 0 and row.difference <= 1e-5 for row in rows.values())
    ratio = rows["plan, step by step"].cpu_ms / rows["plan, one graph"].cpu_ms
    assert rows["plan, one graph"].gain == pytest.approx(ratio)
