"""The contract of a world model: encode what is observed, step what is imagined."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout


class WorldModel(Protocol):
    """Imagines what actions lead to. All randomness comes in as `noise`, arrays named in the card."""

    @property
    def card(self) -> Card: ...

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of one observation, arrays (1, ...).

        Args:
            observation: with the card's cameras and states; a state that is missing counts as zeros
                (a goal picture has none).
            last_action: the action executed since the previous observation, (A,), card's units.
            memory: the previous tick's latent; None after a reset.
            noise: arrays by the card's names.
        """
        ...

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latents (N, ...) and outputs (N,) after `action` (N, A), card's units."""
        ...

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A), read-only, from one `latent` (1, ...), not copied, or N of them."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """A world model that can tell how a cost changes with the actions; those that torch runs can."""

    def gradient(
        self, latent: Latent, actions: Array, objective: Callable[[Rollout, Array], Array]
    ) -> tuple[Rollout, NDArray[np.float32]]:
        """What `actions` (N, H, A) lead to, and the gradient (N, H, A) of the objective at them.

        Args:
            latent: arrays (1, ...).
            objective: (N,) of a rollout and its actions, written in the array API.
        """
        ...
