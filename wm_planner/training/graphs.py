"""The graphs of a bundle as torch modules with the inputs, outputs and names of their ONNX files."""

import numpy as np
import torch
from torch import Tensor, nn

from wm_planner.contracts.card import ActionSpec, LatentSpec
from wm_planner.training.module import TrainableModel


class EncodeGraph(nn.Module):
    """`encode` with one input per camera, and one for the states if there are any."""

    def __init__(self, model: TrainableModel) -> None:
        super().__init__()
        self.model = model
        spec = model.observation
        self.inputs = [f"image.{camera}" for camera in spec.cameras] + (["state"] if spec.state else [])
        self.outputs = [latent.name for latent in model.latents if latent.role != "cache"]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        spec = self.model.observation
        images = torch.stack(inputs[: len(spec.cameras)], dim=1)
        state = inputs[-1] if spec.state else torch.empty(images.shape[0], 0)
        latent = self.model.encode(images, state)
        return tuple(latent[name] for name in self.outputs)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Random inputs of batch size `batch`: uniform noise images, standard normal states."""
        spec = self.model.observation
        shape = (batch, spec.height, spec.width, 3)
        arrays = [torch.from_numpy(rng.integers(256, size=shape, dtype=np.uint8)) for _ in spec.cameras]
        if spec.state:
            arrays.append(_normal(rng, (batch, sum(quantity.size for quantity in spec.state))))
        return tuple(arrays)


class StepGraph(nn.Module):
    """`step` with one input per array of the latent, and the action last."""

    def __init__(self, model: TrainableModel, action: ActionSpec) -> None:
        super().__init__()
        self.model = model
        self.action = action
        self.names = [latent.name for latent in model.latents]
        self.inputs = [*self.names, "action"]
        self.outputs = [f"next.{name}" for name in self.names]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        after = self.model.step(dict(zip(self.names, inputs[:-1], strict=True)), inputs[-1])
        return tuple(after[name] for name in self.names)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Random inputs of batch size `batch`: standard normal latents, zero caches, actions in bounds."""
        latents = [
            _zeros(latent, batch) if latent.role == "cache" else _normal(rng, (batch, *latent.shape))
            for latent in self.model.latents
        ]
        size = (batch, len(self.action.names))
        action = rng.uniform(self.action.low, self.action.high, size=size).astype(np.float32)
        return (*latents, torch.from_numpy(action))


def _zeros(latent: LatentSpec, batch: int) -> Tensor:
    return torch.zeros(batch, *latent.shape, dtype=getattr(torch, latent.dtype))


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
