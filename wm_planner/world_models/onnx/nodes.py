"""An ONNX graph as plain data, for code that evaluates it by other means than ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, helper, inliner, numpy_helper


class Node(NamedTuple):
    """One operation.

    Attributes:
        operator: name of its operator, e.g. "MatMul".
        inputs, outputs: names of arrays; "" for an optional one that is left out.
        attributes: by name; tensors as NumPy arrays, bytes as text.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


class Nodes(NamedTuple):
    """A graph.

    Attributes:
        inputs, outputs: names, in order.
        constants: arrays of the graph itself, by name.
        nodes: in an order in which they can be evaluated.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[Node, ...]


def read_nodes(path: Path) -> Nodes:
    """Read an ONNX file; functions are replaced by their bodies."""
    graph = inliner.inline_local_functions(onnx.load(path)).graph
    constants = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
    nodes = [
        Node(node.op_type, tuple(node.input), tuple(node.output), dict(map(_attribute, node.attribute)))
        for node in graph.node
    ]
    inputs = tuple(port.name for port in graph.input if port.name not in constants)
    return Nodes(inputs, tuple(port.name for port in graph.output), constants, tuple(nodes))


def _attribute(attribute: AttributeProto) -> tuple[str, Any]:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        value = value.decode()
    elif attribute.type == AttributeProto.TENSOR:
        value = numpy_helper.to_array(value)
    return attribute.name, value
