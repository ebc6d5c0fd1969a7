"""A network under training as a world model: arrays in, arrays out, without an export."""

from collections.abc import Mapping

import numpy as np
import torch

from wm_planner.costs.base import Array, Latent, Rollout
from wm_planner.training.module import TrainableModel
from wm_planner.world_models.base import Observation
from wm_planner.world_models.card import Card


class TorchModel:
    """The contract of `WorldModel` over a torch network.

    Args:
        network: put into evaluation mode.
        card: of the bundle it would become.
    """

    def __init__(self, network: TrainableModel, card: Card) -> None:
        self.network = network.eval()
        self.card = card

    @torch.no_grad()
    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        spec = self.card.observation
        images = np.stack([observation.images[camera] for camera in spec.cameras])
        state = [
            np.asarray(observation.state.get(quantity.name, np.zeros(quantity.size)), np.float32)
            for quantity in spec.state
        ]
        row = np.concatenate([np.zeros(0, np.float32), *state])
        return _numpy(self.network.encode(torch.from_numpy(images[None]), torch.from_numpy(row[None])))

    @torch.no_grad()
    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        arrays = {name: torch.from_numpy(np.asarray(array)) for name, array in latent.items()}
        after = self.network.step(arrays, torch.from_numpy(np.asarray(action, np.float32)))
        return _numpy(after), {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        candidates, horizon = actions.shape[:2]
        now: Latent = {name: np.repeat(array, candidates, axis=0) for name, array in latent.items()}
        frames = []
        for h in range(horizon):
            now, _ = self.step(now, actions[:, h])
            frames.append(now)
        latents = {name: np.stack([frame[name] for frame in frames], axis=1) for name in now}
        states = {spec.name: latents[spec.name] for spec in self.card.latents if spec.unit is not None}
        return Rollout(latents=latents, states=states)


def _numpy(latent: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    return {name: array.numpy() for name, array in latent.items()}
