"""A network as a world model whose arrays stay on its device: 800 ViT-g latents are 1.15 GB per frame."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import ConfigError
from wm_planner.training.module import TrainableModel
from wm_planner.world_models.onnx.inputs import checked_actions, memory_feed, noise_feed, observation_feed

Precision: TypeAlias = Literal["fp32", "bf16"]


class DeviceModel:
    """A `WorldModel` whose latents, and thus costs, are torch tensors on the network's device.

    Args:
        network: in evaluation mode, on any device.
        card: of the network; only latents of the role `candidate`, no memory, noise or outputs.
        precision: of matrix products; the arrays stay float32.

    Raises:
        ConfigError: for another card.
    """

    def __init__(self, network: TrainableModel, card: Card, precision: Precision = "fp32") -> None:
        unsupported = {
            "latents": any(spec.role != "candidate" for spec in card.latents),
            "noise": bool(card.noise),
            "remembers": card.remembers,
            "capabilities": bool(card.step_outputs),
        }
        if lines := [line for line, found in unsupported.items() if found]:
            raise ConfigError(f"{card.name} cannot run as a DeviceModel (card: {', '.join(lines)})")
        self.network = network
        self.card = card
        self.device = next(network.parameters()).device
        self.precision = precision

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @torch.inference_mode()
    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> dict[str, Tensor]:
        """The latent of one observation, arrays (1, ...)."""
        memory_feed(self.card, last_action, memory)  # refuses what the network does not take
        noise_feed(self.card, "encode", noise, 1)
        feed = {n: self._to_device(array) for n, array in observation_feed(self.card, observation).items()}
        images = torch.stack([feed[f"image.{camera}"] for camera in self.card.observation.cameras], dim=1)
        with self.autocast():
            latent = self.network.encode(images, feed.get("state", torch.empty(1, 0, device=self.device)))
        return _float(latent)

    @torch.inference_mode()
    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latents (N, ...) after `action` (N, A)."""
        noise_feed(self.card, "step", noise, 1)
        return self._advance(latent, self._to_device(checked_actions(self.card, action, "N"))), {}

    @torch.inference_mode()
    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A) from one `latent` (1, ...), which is not copied."""
        noise_feed(self.card, "step", noise, 1)
        checked = self._to_device(checked_actions(self.card, actions, "NH"))
        now = {name: array.expand(len(checked), *array.shape[1:]) for name, array in latent.items()}
        steps = []
        for action in checked.unbind(1):
            now = self._advance(now, action)
            steps.append(now)
        latents = {name: torch.stack([step[name] for step in steps], dim=1) for name in now}
        physical = [spec.name for spec in self.card.latents if spec.unit is not None]
        return Rollout(latents, {name: latents[name] for name in physical})

    def _advance(self, latent: Latent, action: Tensor) -> dict[str, Tensor]:
        with self.autocast():
            after = self.network.step(dict(latent), action)
        return _float(after)

    def _to_device(self, array: Array) -> Tensor:
        return torch.tensor(array, device=self.device)  # a copy, because plans are read-only


def _float(latent: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: array.float() for name, array in latent.items()}
