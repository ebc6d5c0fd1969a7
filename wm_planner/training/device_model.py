"""A bundle or network in torch whose rollouts stay on its device: 800 ViT-g latents are 1.15 GB per frame."""

from collections.abc import Mapping
from pathlib import Path

import torch

from wm_planner import share
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import ConfigError
from wm_planner.training.onnx_graph import OnnxGraph
from wm_planner.training.torch_model import TorchGraph, TorchWorldModel
from wm_planner.world_models.onnx.card_file import CARD_FILE
from wm_planner.world_models.onnx.inputs import checked_actions, initial_latent, noise_feed
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.repeatability import check_parity
from wm_planner.world_models.onnx.rollout_graph import NEXT, OUTPUT


class DeviceModel(TorchWorldModel):
    """A `WorldModel` whose rollouts, and thus costs, are torch tensors on the device of its weights.

    Latents of `encode` and `step` are NumPy arrays, as of any world model; those of a rollout start as one
    row that the candidates share.
    """

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu", threads: int = 1) -> "DeviceModel":
        """Load a bundle, whose steps torch takes, and compare a step with ONNX Runtime.

        Pictures are encoded, and the policy acts, in ONNX Runtime on the CPU.

        Args:
            folder: of the bundle, a path or e.g. "models/bundles/panda_reach"; see `share.find`.
            device: of torch, e.g. `cpu` or `cuda`.
            threads: of every call; torch has one number of them per process.

        Raises:
            BundleError: as for `OnnxWorldModel.load`, for operators that torch lacks, or if torch computes
                something else than ONNX Runtime.
            ConfigError: if torch cannot use the device.
        """
        check_device(device)
        torch.set_num_threads(threads)
        folder = share.find(folder)
        onnx = OnnxWorldModel.load(folder, "cpu", threads)
        graph = OnnxGraph(folder / "step.onnx", device)
        step = TorchGraph(graph, graph.inputs, device)
        model = cls(onnx.card, onnx._encode, step, policy=onnx._policy, decoder=onnx._decoder)
        check_parity(str(folder / CARD_FILE), f"torch:{device}", model, onnx)
        return model

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A) from one `latent` (1, ...), which is not copied, or from N of them.

        Raises:
            ShapeError: for arrays whose shape disagrees with the card, or noise that the graph does not take.
        """
        checked = checked_actions(self.card, actions, "NH")
        count, horizon = checked.shape[:2]
        step: TorchGraph = self._step  # type: ignore[assignment]

        def on_device(array: Array) -> torch.Tensor:
            tensor = torch.tensor(array, device=step.device)
            return tensor.expand(count, *tensor.shape[1:])

        shared = {spec.name for spec in self.card.latents if spec.role == "shared"}
        start = initial_latent(self.card, latent, count)
        now = {
            name: torch.tensor(array, device=step.device) if name in shared else on_device(array)
            for name, array in start.items()
        }
        chosen = on_device(checked)  # (N, H, A)
        drawn = {n: on_device(a) for n, a in noise_feed(self.card, "step", noise, count, horizon).items()}
        steps = []
        for h in range(horizon):
            own = {name: array[:, h] for name, array in drawn.items()}
            steps.append(step.run_on_device({**now, "action": chosen[:, h], **own}))
            now |= {n.removeprefix(NEXT): array for n, array in steps[-1].items() if n.startswith(NEXT)}
        kept = [NEXT + spec.name for spec in self.card.latents if spec.role == "candidate"]
        kept += [name for name in steps[0] if name.startswith(OUTPUT)]
        return self._rollout_of({name: torch.stack([each[name] for each in steps], dim=1) for name in kept})


def check_device(device: str) -> None:
    """Check that torch can use a device.

    Raises:
        ConfigError: saying which are there.
    """
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ConfigError(f"torch knows no device '{device}', wanted cpu, cuda or e.g. cuda:1") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"torch finds no GPU here for '{device}': install its driver, or use the CPU")
