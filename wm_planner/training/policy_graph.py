"""`act.onnx` of a bundle as a torch module."""

import numpy as np
import torch
from torch import Tensor

from wm_planner.contracts.card import Card
from wm_planner.training.graphs import BundleGraph
from wm_planner.training.module import TrainablePolicy
from wm_planner.world_models.onnx.signature import GOAL


class PolicyGraph(BundleGraph):
    """`act` with one input per array of the latent that the policy takes, then those of the goal."""

    def __init__(self, policy: TrainablePolicy, card: Card) -> None:
        super().__init__()
        self.policy = policy
        specs = {spec.name: spec for spec in card.latents}
        self.specs = [specs[name] for name in policy.names]
        goals = [GOAL + name for name in policy.names] if policy.goal else []
        self.single = frozenset(goals)
        self.inputs = [*policy.names, *goals]
        self.outputs = ["logits" if card.action.choices else "action"]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        names = self.policy.names
        latent = dict(zip(names, inputs, strict=False))
        goal = dict(zip(names, inputs[len(names) :], strict=True)) if self.policy.goal else None
        return (self.policy.act(latent, goal),)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Random inputs of batch size `batch`: standard normal latents and one goal."""
        shapes = [(batch, *spec.shape) for spec in self.specs]
        shapes += [(1, *spec.shape) for spec in self.specs] if self.policy.goal else []
        return tuple(torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) for shape in shapes)
