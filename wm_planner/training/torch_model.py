"""A trained network as a world model on NumPy arrays, without an export."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.training.graphs import ActGraph, BundleGraph, EncodeGraph, StepGraph
from wm_planner.training.trained import TrainedRun
from wm_planner.world_models.onnx.inputs import Arrays, checked_actions, noise_feed, repeated_latent
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.policy_graph import OnnxPolicy
from wm_planner.world_models.onnx.rollout_graph import NEXT, OUTPUT
from wm_planner.world_models.onnx.session import Graph


class TorchGraph(Graph):
    """A graph of a bundle, run by torch."""

    def __init__(self, module: BundleGraph) -> None:
        self.module = module
        self.names = tuple(module.inputs)

    @torch.no_grad()
    def run(self, feed: Arrays) -> Arrays:
        inputs = [torch.tensor(feed[name]) for name in self.module.inputs]
        outputs = self.module(*inputs)
        return {name: array.numpy() for name, array in zip(self.module.outputs, outputs, strict=True)}


class TorchWorldModel(OnnxWorldModel):
    """The bundle of a training run, run by torch without an export; it is `Differentiable`."""

    @classmethod
    def of_run(cls, run: Path) -> "TorchWorldModel":
        """The world model of the run in folder `run`, from its last checkpoint.

        Raises:
            BundleError: if there is no checkpoint.
        """
        trained = TrainedRun.load(run)
        network, card = trained.network, trained.card(run.name, graphs={})
        encode, step = EncodeGraph(network, card.action), StepGraph(network, card.action)
        act = TorchGraph(ActGraph(network, card.action)) if network.has_policy else None
        policy = None if act is None else OnnxPolicy(card, act)
        return cls(card, TorchGraph(encode), TorchGraph(step), policy=policy)

    def gradient(
        self, latent: Latent, actions: Array, objective: Callable[[Rollout, Array], Array]
    ) -> tuple[Rollout, NDArray[np.float32]]:
        """The rollout of `actions` (N, H, A), and the gradient (N, H, A) of the objective (N,) at them.

        Raises:
            ShapeError: for arrays whose shape disagrees with the card.
        """
        variables = torch.tensor(checked_actions(self.card, actions, "NH"), requires_grad=True)
        now = {name: torch.tensor(z) for name, z in repeated_latent(self.card, latent, len(actions)).items()}
        step = self._step.module  # type: ignore[attr-defined]  # _step is a TorchGraph
        calm = noise_feed(self.card, "step", None, len(actions))
        drawn = [torch.tensor(np.repeat(array, len(actions), axis=0)) for array in calm.values()]
        imagined: dict[str, list[torch.Tensor]] = {name: [] for name in step.outputs}
        for h in range(variables.shape[1]):
            after = step(*(now[name] for name in step.names), variables[:, h], *drawn)
            for output, array in zip(step.outputs, after, strict=True):
                imagined[output].append(array)
                if output.startswith(NEXT):
                    now[output.removeprefix(NEXT)] = array
        stacked = {name: torch.stack(steps, dim=1) for name, steps in imagined.items()}
        rollout = self._rollout_of(stacked)
        (gradient,) = torch.autograd.grad(objective(rollout, variables).sum(), variables)
        return self._rollout_of({n: array.detach().numpy() for n, array in stacked.items()}), gradient.numpy()

    def _rollout_of(self, arrays: Mapping[str, Array]) -> Rollout:
        """The rollout in the outputs of all steps, (N, H, ...) by the names of `step.onnx`."""
        latents = {name.removeprefix(NEXT): a for name, a in arrays.items() if name.startswith(NEXT)}
        outputs = {name.removeprefix(OUTPUT): a for name, a in arrays.items() if name.startswith(OUTPUT)}
        return self._rollout(latents, outputs)
