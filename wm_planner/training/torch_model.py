"""A trained network as a world model on NumPy arrays, without an export."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.training.graphs import ActGraph, BundleGraph, EncodeGraph, StepGraph
from wm_planner.training.module import TrainableModel
from wm_planner.training.trained import TrainedRun
from wm_planner.world_models.onnx.inputs import Arrays, checked_actions, noise_feed, repeated_latent
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.policy_graph import OnnxPolicy
from wm_planner.world_models.onnx.rollout_graph import NEXT, OUTPUT
from wm_planner.world_models.onnx.session import Graph

Precision: TypeAlias = Literal["fp32", "bf16"]
TensorGraph: TypeAlias = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""A graph of a bundle: outputs by name, for inputs by name."""


class TorchGraph(Graph):
    """A graph of a bundle, run by torch.

    Args:
        evaluate: the graph.
        names: of its inputs, in order.
        device: of its weights.
        precision: of matrix products; the arrays keep their types.
    """

    def __init__(
        self,
        evaluate: TensorGraph,
        names: Sequence[str],
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        self.evaluate, self.names = evaluate, tuple(names)
        self.device, self.precision = torch.device(device), precision

    @classmethod
    def of_module(cls, module: BundleGraph, precision: Precision = "fp32") -> "TorchGraph":
        """The graph that `module` is, on the device of its weights."""

        def evaluate(feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
            outputs = module(*(feed[name] for name in module.inputs))
            return dict(zip(module.outputs, outputs, strict=True))

        device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
        return cls(evaluate, module.inputs, device, precision)

    def run(self, feed: Arrays) -> Arrays:
        return {name: array.numpy(force=True) for name, array in self.run_on_device(feed).items()}

    @torch.inference_mode()
    def run_on_device(self, feed: Mapping[str, Any]) -> dict[str, Tensor]:
        """The outputs by name, which stay on the device; arrays on the host are copied to it."""
        inputs = {
            name: array if isinstance(array, Tensor) else torch.tensor(array, device=self.device)
            for name, array in feed.items()
        }
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = self.evaluate(inputs)
        return {
            name: array.float() if array.dtype == torch.bfloat16 else array for name, array in outputs.items()
        }


class TorchWorldModel(OnnxWorldModel):
    """The bundle of a training run, run by torch without an export; it is `Differentiable`."""

    @classmethod
    def of_run(cls, run: Path) -> Self:
        """The world model of the run in folder `run`, from its last checkpoint.

        Raises:
            BundleError: if there is no checkpoint.
        """
        trained = TrainedRun.load(run)
        card = trained.card(run.name, graphs={})
        return cls.of_network(trained.network, card)

    @classmethod
    def of_network(cls, network: TrainableModel, card: Card, precision: Precision = "fp32") -> Self:
        """The world model of a network in evaluation mode, on the device of its weights.

        Args:
            network: of which `card` is the card.
            precision: of matrix products.
        """

        def graph_of(kind: Callable[[TrainableModel, ActionSpec], BundleGraph]) -> TorchGraph:
            return TorchGraph.of_module(kind(network, card.action), precision)

        policy = OnnxPolicy(card, graph_of(ActGraph)) if network.has_policy else None
        return cls(card, graph_of(EncodeGraph), graph_of(StepGraph), policy=policy)

    def gradient(
        self, latent: Latent, actions: Array, objective: Callable[[Rollout, Array], Array]
    ) -> tuple[Rollout, NDArray[np.float32]]:
        """The rollout of `actions` (N, H, A), and the gradient (N, H, A) of the objective (N,) at them.

        Raises:
            ShapeError: for arrays whose shape disagrees with the card.
        """
        graph: TorchGraph = self._step  # type: ignore[assignment]
        chosen, starts = (
            checked_actions(self.card, actions, "NH"),
            repeated_latent(self.card, latent, len(actions)),
        )
        variables = torch.tensor(chosen, device=graph.device, requires_grad=True)
        now = {name: torch.tensor(array, device=graph.device) for name, array in starts.items()}
        calm = noise_feed(self.card, "step", None, len(actions))
        drawn = {
            name: torch.tensor(array, device=graph.device).expand(len(actions), *array.shape[1:])
            for name, array in calm.items()
        }
        imagined: dict[str, list[torch.Tensor]] = {}
        for h in range(variables.shape[1]):
            after = graph.evaluate({**now, "action": variables[:, h], **drawn})
            for output, array in after.items():
                imagined.setdefault(output, []).append(array)
                if output.startswith(NEXT):
                    now[output.removeprefix(NEXT)] = array
        stacked = {name: torch.stack(steps, dim=1) for name, steps in imagined.items()}
        rollout = self._rollout_of(stacked)
        (gradient,) = torch.autograd.grad(objective(rollout, variables).sum(), variables)
        on_host = {name: array.numpy(force=True) for name, array in stacked.items()}
        return self._rollout_of(on_host), gradient.numpy(force=True)

    def _rollout_of(self, arrays: Mapping[str, Array]) -> Rollout:
        """The rollout in the outputs of all steps, (N, H, ...) by the names of `step.onnx`."""
        latents = {name.removeprefix(NEXT): a for name, a in arrays.items() if name.startswith(NEXT)}
        outputs = {name.removeprefix(OUTPUT): a for name, a in arrays.items() if name.startswith(OUTPUT)}
        return self._rollout(latents, outputs)
