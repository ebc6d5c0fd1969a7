"""Clean-up of traced graphs: duplicate constants, and wrong shape annotations."""

from collections.abc import Iterator, Mapping

from onnx import GraphProto, NodeProto, TensorProto


def drop_branch_shapes(graph: GraphProto) -> None:
    """Drop the shape annotations in the subgraphs of a graph.

    Inlined rollouts of different numbers of candidates share one symbolic name for that number, and ONNX
    Runtime assumes that dimensions of the same name are equal.
    """
    for node in graph.node:
        for branch in _branches(node):
            del branch.value_info[:]
            for port in (*branch.input, *branch.output):
                for axis in port.type.tensor_type.shape.dim:
                    axis.ClearField("dim_param")
            drop_branch_shapes(branch)


def deduplicate_constants(graph: GraphProto) -> None:
    """Replace equal constants by one initializer of the outermost graph."""
    kept: dict[bytes, TensorProto] = {}
    names = {}
    for tensor in _extract_constants(graph):
        content = _copy(tensor, name="").SerializeToString(deterministic=True)
        names[tensor.name] = kept.setdefault(content, tensor).name
    graph.initializer.extend(kept.values())
    _rename(graph, names)


def _extract_constants(graph: GraphProto) -> list[TensorProto]:
    """Remove the constants from a graph and its subgraphs, except those that are outputs."""
    outputs = {port.name for port in graph.output}
    constants = [_copy(tensor, tensor.name) for tensor in graph.initializer]
    others = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value" and node.output[0] not in outputs:
            constants.append(_copy(node.attribute[0].t, node.output[0]))
            continue
        for branch in _branches(node):
            constants += _extract_constants(branch)
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
    """Rename the inputs of all nodes, including those in subgraphs."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for branch in _branches(node):
            _rename(branch, names)


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    """The subgraphs of a node, e.g. the branches of an If."""
    yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))
