"""Latents, and the trajectories that a world model imagines.

Axes: N candidates, H steps; further axes belong to the named array.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from wm_planner.contracts.arrays import Array

Latent: TypeAlias = Mapping[str, Array]
"""What an encoder gives: an ordered set of named arrays, shape (B, ...), as the card lists them."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Imagined trajectories of N candidates over H steps, the initial state left out.

    Attributes:
        latents: name to (N, H, ...), of the arrays whose role is `candidate`, in the card's order.
        states: name to (N, H, k), physical quantities with the card's units.
        outputs: name to (N, H): reward, value, continue, uncertainty, by the card's capabilities; policy is
            (N, H, n), logits of the choices after the step.
    """

    latents: Mapping[str, Array]
    states: Mapping[str, Array] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> "Rollout":
        """The trajectories of some of the candidates."""

        def some(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: array[start:stop, ...] for name, array in arrays.items()}

        return Rollout(some(self.latents), some(self.states), some(self.outputs))
