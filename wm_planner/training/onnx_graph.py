"""A graph of a bundle in torch, with gradients; its weights are constants."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wm_planner.errors import BundleError
from wm_planner.training.onnx_operators import OPERATORS
from wm_planner.world_models.onnx.nodes import Node, read_nodes


class OnnxGraph:
    """Evaluates an ONNX file operator by operator, which gives any bundle gradients, from any framework.

    Args:
        path: of the file.

    Raises:
        BundleError: naming the operators of the graph that are not supported.
    """

    def __init__(self, path: Path) -> None:
        graph = read_nodes(path)
        self.inputs, self.outputs, self._nodes = graph.inputs, graph.outputs, graph.nodes
        if unknown := sorted({node.operator for node in graph.nodes} - OPERATORS.keys()):
            raise BundleError(
                f"{path}: gradients through the operators {', '.join(unknown)} are not supported; give the "
                "folder of the training run instead of the bundle, if you have it"
            )
        self._constants = {name: torch.tensor(array) for name, array in graph.constants.items()}

    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs by name, for the inputs by name."""
        arrays = {**self._constants, **feed}
        for node in self._nodes:
            arrays.update(_evaluated(node, arrays))
        return {name: arrays[name] for name in self.outputs}


def _evaluated(node: Node, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of one node by name."""
    inputs = [arrays[name] if name else None for name in node.inputs]
    found = OPERATORS[node.operator](node.attributes, *inputs)
    return dict(zip(node.outputs, (found,) if isinstance(found, Tensor) else found, strict=True))
