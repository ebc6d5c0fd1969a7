"""A network under training as a world model: arrays in, arrays out, without an export."""

from pathlib import Path

import torch

from wm_planner.training.graphs import EncodeGraph, StepGraph
from wm_planner.training.trained import Trained
from wm_planner.world_models.feed import Arrays
from wm_planner.world_models.onnx import Graph, OnnxWorldModel


class TorchGraph(Graph):
    """A graph of a bundle that torch runs."""

    def __init__(self, module: EncodeGraph | StepGraph) -> None:
        self.module = module

    @torch.no_grad()
    def run(self, feed: Arrays) -> Arrays:
        inputs = [torch.tensor(feed[name]) for name in self.module.inputs]
        outputs = self.module(*inputs)
        return {name: array.numpy() for name, array in zip(self.module.outputs, outputs, strict=True)}


class TorchWorldModel(OnnxWorldModel):
    """The bundle that a training run would become, run by torch."""

    @classmethod
    def of_run(cls, run: Path) -> "TorchWorldModel":
        """The world model of the run in folder `run`, as of its last checkpoint.

        Raises:
            BundleError: if it has none.
        """
        trained = Trained.load(run)
        card = trained.card(run.name, graphs={})
        step = StepGraph(trained.network, card.action)
        return cls(card, TorchGraph(EncodeGraph(trained.network)), TorchGraph(step))
