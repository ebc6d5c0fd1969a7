"""The operators of ONNX in torch, with gradients: those that exported world models consist of.

Each function takes the attributes of the node, then its inputs; optional inputs may be None. Semantics are
those of opset 18 and later.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Attributes = Mapping[str, Any]

_DTYPES = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
}
"""Element types by their number in ONNX."""


def _plain(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operator without attributes."""
    return lambda attributes, *inputs: function(*inputs)


def _ints(array: Tensor | None) -> list[int]:
    return [] if array is None else [int(value) for value in array.reshape(-1)]


def _div(attributes: Attributes, a: Tensor, b: Tensor) -> Tensor:
    whole = not (a.is_floating_point() or b.is_floating_point())
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _clip(attributes: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _concat(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, dim=attributes["axis"])


def _constant(attributes: Attributes) -> Tensor:
    (value,) = attributes.values()
    return torch.as_tensor(value)


def _expand(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x * x.new_ones(_ints(shape))  # broadcasts both ways, as Expand does


def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis = attributes.get("axis", 0) % x.ndim
    rows = torch.index_select(x, axis, indices.reshape(-1) % x.shape[axis])
    return rows.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _gather_nd(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    batch: int = attributes.get("batch_dims", 0)
    rows = [torch.arange(size, device=x.device) for size in x.shape[:batch]]
    rest = indices.ndim - 1 - batch
    grid = torch.meshgrid(*rows, indexing="ij") if rows else ()
    places = [row.reshape(*row.shape, *[1] * rest) for row in grid]
    sizes = x.shape[batch : batch + indices.shape[-1]]
    places += [row % size for row, size in zip(indices.unbind(-1), sizes, strict=True)]
    return x[tuple(places)]


def _mod(attributes: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return torch.fmod(a, b) if attributes.get("fmod") else torch.remainder(a, b)


def _gelu(attributes: Attributes, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=attributes.get("approximate", "none"))


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    product: Tensor = (a @ b) * attributes.get("alpha", 1.0)
    return product if c is None else product + c * attributes.get("beta", 1.0)


def _layer_norm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = attributes.get("axis", -1) % x.ndim
    return F.layer_norm(x, x.shape[axis:], weight, bias, attributes.get("epsilon", 1e-5))


def _pad(attributes: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None) -> Tensor:
    ends = _ints(pads)
    pairs = list(zip(ends[: x.ndim], ends[x.ndim :], strict=True))
    return F.pad(
        x, [end for pair in reversed(pairs) for end in pair], value=0.0 if value is None else float(value)
    )


def _reduce(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduced(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        over = _ints(axes) or list(range(x.ndim))
        return function(x, dim=over, keepdim=bool(attributes.get("keepdims", 1)))

    return reduced


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = _ints(shape)
    if not attributes.get("allowzero"):
        sizes = [size or x.shape[index] for index, size in enumerate(sizes)]
    return x.reshape(sizes)


def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")])


def _slice(
    attributes: Attributes,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    along = range(len(starts)) if axes is None else _ints(axes)
    every = [1] * len(starts) if steps is None else _ints(steps)
    for axis, start, end, step in zip(along, _ints(starts), _ints(ends), every, strict=True):
        rows = range(x.shape[axis])[start:end:step]
        if step > 0:
            whole = (slice(None),) * (axis % x.ndim)
            x = x[(*whole, slice(rows.start, rows.stop, rows.step))]  # a view
        else:
            x = torch.index_select(x, axis, torch.tensor(rows, dtype=torch.int64, device=x.device))
    return x


def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if sizes is None:
        return torch.chunk(x, attributes["num_outputs"], dim=axis)
    return torch.split(x, _ints(sizes), dim=axis)


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(_ints(axes))


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    places = sorted(axis % (x.ndim + len(axes)) for axis in _ints(axes))
    for axis in places:
        x = x.unsqueeze(axis)
    return x


OPERATORS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "Abs": _plain(torch.abs),
    "Acos": _plain(torch.acos),
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "Atan": _plain(torch.atan),
    "Cast": lambda attributes, x: x.to(_DTYPES[attributes["to"]]),
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Cos": _plain(torch.cos),
    "Div": _div,
    "Elu": lambda attributes, x: F.elu(x, attributes.get("alpha", 1.0)),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Flatten": lambda attributes, x: x.flatten(attributes.get("axis", 1)),
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "Identity": _plain(lambda x: x),
    "IsNaN": _plain(torch.isnan),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda attributes, x: F.leaky_relu(x, attributes.get("alpha", 0.01)),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "Log": _plain(torch.log),
    "LogSoftmax": lambda attributes, x: F.log_softmax(x, attributes.get("axis", -1)),
    "MatMul": _plain(torch.matmul),
    "Max": _plain(torch.maximum),
    "Min": _plain(torch.minimum),
    "Mod": _mod,
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": _plain(torch.logical_or),
    "Pad": _pad,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Sign": _plain(torch.sign),
    "Sin": _plain(torch.sin),
    "Slice": _slice,
    "Softmax": lambda attributes, x: F.softmax(x, attributes.get("axis", -1)),
    "Softplus": _plain(F.softplus),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Sum": _plain(lambda *inputs: sum(inputs[1:], inputs[0])),
    "Tanh": _plain(torch.tanh),
    "Transpose": lambda attributes, x: x.permute(attributes.get("perm", tuple(range(x.ndim))[::-1])),
    "Unsqueeze": _unsqueeze,
    "Where": _plain(torch.where),
}
"""Operator name to its function."""

_AXES = ("Squeeze", "Unsqueeze", "ReduceMax", "ReduceMean", "ReduceSum")
HOST_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*_AXES, "Expand", "Reshape", "Split"), (1,)),
    "Pad": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
}
"""Operator name to the positions of those of its inputs that are shapes, axes and sizes."""
