"""Latents, and the trajectories that a world model imagines.

Axes: N candidates, H steps; further axes belong to the named array.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from wm_planner.contracts.arrays import Array

Latent: TypeAlias = Mapping[str, Array]
"""The encoding of an observation: named arrays (B, ...), as listed in the card."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Imagined trajectories of N candidates over H steps; the initial latent is not included.

    Attributes:
        latents: arrays of role `candidate` by name, (N, H, ...), in the card's order.
        states: physical quantities by name, (N, H, k), in the card's units.
        outputs: reward, value, continue and uncertainty, (N, H) each; those that the card lists as
            capabilities.
    """

    latents: Mapping[str, Array]
    states: Mapping[str, Array] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> "Rollout":
        """The trajectories of the candidates `start` to `stop`."""

        def some(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: array[start:stop, ...] for name, array in arrays.items()}

        return Rollout(some(self.latents), some(self.states), some(self.outputs))
