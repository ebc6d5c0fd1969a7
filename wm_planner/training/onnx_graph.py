"""A graph of a bundle in torch, with gradients; its weights are constants."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from wm_planner.errors import BundleError
from wm_planner.training.onnx_operators import HOST_INPUTS, OPERATORS
from wm_planner.world_models.onnx.nodes import Node, read_nodes


class OnnxGraph:
    """Evaluates an ONNX file operator by operator, which gives any bundle gradients, from any framework.

    Args:
        path: of the file.
        device: of the weights and of the arrays; arithmetic on shapes stays on the host.

    Raises:
        BundleError: naming the operators of the graph that are not supported.
    """

    def __init__(self, path: Path, device: str | torch.device = "cpu") -> None:
        graph = read_nodes(path)
        self.inputs, self.outputs, self._nodes = graph.inputs, graph.outputs, graph.nodes
        if unknown := sorted({node.operator for node in graph.nodes} - OPERATORS.keys()):
            raise BundleError(
                f"{path}: the operators {', '.join(unknown)} are not supported in torch; give the "
                "folder of the training run instead of the bundle, if you have it"
            )
        self.device, shapes = torch.device(device), _shapes(graph.nodes)
        self._constants = {
            name: torch.tensor(array, device="cpu" if name in shapes else self.device)
            for name, array in graph.constants.items()
        }

    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs by name, for the inputs by name."""
        arrays = {**self._constants, **feed}
        for node in self._nodes:
            arrays.update(self._evaluated(node, arrays))
        return {name: arrays[name] for name in self.outputs}

    def _evaluated(self, node: Node, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs of one node by name."""
        inputs = [arrays[name] if name else None for name in node.inputs]
        if any(array is not None and array.device == self.device for array in inputs):
            shapes = HOST_INPUTS.get(node.operator, ())
            inputs = [
                array if array is None or index in shapes else array.to(self.device)
                for index, array in enumerate(inputs)
            ]
        found = OPERATORS[node.operator](node.attributes, *inputs)
        return dict(zip(node.outputs, (found,) if isinstance(found, Tensor) else found, strict=True))


def _shapes(nodes: Sequence[Node]) -> set[str]:
    """Names of the arrays that operators read on the host, and of those that they are computed from."""
    found: set[str] = set()
    for node in reversed(nodes):
        at = HOST_INPUTS.get(node.operator, ())
        found |= {name for index, name in enumerate(node.inputs) if index in at}
        if node.operator != "Shape" and found & set(node.outputs):
            found |= set(node.inputs)
    return found
