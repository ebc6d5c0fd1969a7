"""What tracing leaves in a graph: constants that are there many times, and shapes that are none."""

from collections.abc import Iterator, Mapping

from onnx import GraphProto, NodeProto, TensorProto


def forget_shapes(graph: GraphProto) -> None:
    """Drop the shapes noted in the branches of a graph.

    Rollouts of different numbers of candidates came with one name for that number, and ONNX Runtime takes
    what has one name for equal.
    """
    for node in graph.node:
        for branch in _branches(node):
            del branch.value_info[:]
            for port in (*branch.input, *branch.output):
                for axis in port.type.tensor_type.shape.dim:
                    axis.ClearField("dim_param")
            forget_shapes(branch)


def share_constants(graph: GraphProto) -> None:
    """Keep one of equal constants, outside of all branches."""
    kept: dict[bytes, TensorProto] = {}
    names = {}
    for tensor in _take(graph):
        content = _copy(tensor, name="").SerializeToString(deterministic=True)
        names[tensor.name] = kept.setdefault(content, tensor).name
    graph.initializer.extend(kept.values())
    _rename(graph, names)


def _take(graph: GraphProto) -> list[TensorProto]:
    """Take the constants out of a graph and its branches, save those that are its outputs."""
    outputs = {port.name for port in graph.output}
    constants = [_copy(tensor, tensor.name) for tensor in graph.initializer]
    others = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value" and node.output[0] not in outputs:
            constants.append(_copy(node.attribute[0].t, node.output[0]))
            continue
        for branch in _branches(node):
            constants += _take(branch)
        others.append(NodeProto.FromString(node.SerializeToString()))
    del graph.initializer[:], graph.node[:]
    graph.node.extend(others)
    return constants


def _copy(tensor: TensorProto, name: str) -> TensorProto:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give what nodes read, also in their branches, other names."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for branch in _branches(node):
            _rename(branch, names)


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs inside of a node."""
    yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))
