"""Arithmetic of a graph's matrix products, and how much of it this machine can do."""

import math
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import ValueInfoProto, shape_inference

from wm_planner.errors import BundleError


def product_flops(path: Path, batch: int) -> int:
    """Multiplications and additions in the matrix products of one run of a graph.

    Args:
        path: of the graph; its first axes of unknown size are batches.
        batch: their size.

    Raises:
        BundleError: if the shape of a product does not follow from that of the inputs.
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
                raise BundleError(f"{path}: the shape of the product {node.name} cannot be told")
            flops += 2 * math.prod(out) * left[-1]
    return flops


def peak_flops(size: int = 512, repeats: int = 40) -> float:
    """Multiplications and additions a second of CPU, at NumPy's best in a product of two matrices."""
    left, right = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    took_s = []
    for _ in range(repeats):
        began = time.process_time()
        left @ right
        took_s.append(time.process_time() - began)
    return float(2 * size**3 / min(took_s))


def _shape(port: ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in port.type.tensor_type.shape.dim)
