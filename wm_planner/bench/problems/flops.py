"""Floating-point operations in a graph's matrix products, and the peak rate of this machine."""

import math
import time
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper, shape_inference

from wm_planner.errors import BundleError
from wm_planner.world_models.onnx.session import Graph


def product_flops(path: Path, batch: int) -> int:
    """Multiplications and additions in the matrix products of one run of a graph.

    Args:
        path: path of the graph; leading axes of unknown size are batch axes.
        batch: batch size.

    Raises:
        BundleError: if the shape of a product cannot be inferred from the inputs.
    """
    model = onnx.load(path)
    for port in model.graph.input:
        axis = port.type.tensor_type.shape.dim[0]
        if not axis.dim_value:
            axis.dim_value = batch
    del model.graph.output[:], model.graph.value_info[:]
    model = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    known = {port.name: _shape(port) for port in (*model.graph.value_info, *model.graph.input)}
    known |= {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    flops = 0
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Gemm"):
            left, out = known.get(node.input[0], ()), known.get(node.output[0], ())
            if 0 in (*left, *out) or not left or not out:
                raise BundleError(f"{path}: the shape of the product {node.name} cannot be inferred")
            flops += 2 * math.prod(out) * left[-1]
    return flops


def peak_flops(size: int = 384, repeats: int = 40) -> float:
    """Multiplications and additions per CPU second in ONNX Runtime's fastest product of two matrices."""
    left, right = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    product = _product(right)
    times_s = []
    for _ in range(repeats):
        started = time.process_time()
        product.run({"left": left})
        times_s.append(time.process_time() - started)
    return float(2 * size**3 / min(times_s))


def _product(right: NDArray[np.float32]) -> Graph:
    """The graph left @ right, in which `right` is a constant."""
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, right.shape) for n in ("left", "product")]
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    graph = helper.make_graph(
        [node], "product", ports[:1], ports[1:], [numpy_helper.from_array(right, "right")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return Graph(Path("product"), ["CPUExecutionProvider"], 1, model.SerializeToString())


def _shape(port: ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in port.type.tensor_type.shape.dim)
