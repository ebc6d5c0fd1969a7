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
    names = {own: kept.setdefault(_content(tensor), tensor).name for own, tensor in _taken(graph)}
    graph.initializer.extend(kept.values())
    _rename(graph, names)


def _taken(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """The constants of a graph and its branches, taken out of it, by name."""
    constants = list(graph.initializer)
    others = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            node.attribute[0].t.name = node.output[0]
            constants.append(node.attribute[0].t)
            continue
        others.append(node)
        for branch in _branches(node):
            yield from _taken(branch)
    copies = [TensorProto.FromString(tensor.SerializeToString()) for tensor in constants]
    yield from ((tensor.name, tensor) for tensor in copies)
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in others]
    del graph.initializer[:], graph.node[:]
    graph.node.extend(nodes)


def _content(tensor: TensorProto) -> bytes:
    """What makes two constants equal."""
    bare = TensorProto()
    bare.CopyFrom(tensor)
    bare.ClearField("name")
    return bare.SerializeToString(deterministic=True)


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give what nodes read, also in their branches, other names."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for branch in _branches(node):
            _rename(branch, names)


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs inside of a node."""
    yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))
