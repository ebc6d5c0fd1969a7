"""The contract of an explorer, and the explorer of a simulator."""

import functools
from typing import Protocol

from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.plugins import Registry
from wm_planner.simulation.selection import simulator_spec

EXPLORERS = Registry("explorer")
"""Explorers by the names of their simulators; both take the same settings."""


class Explorer(Protocol):
    """Runs exploratory episodes in a scene, or in a series of traffic scenarios.

    Attributes:
        environment: cameras, actions and rate of the recorded data.
        state: the quantities recorded with the images.
        reason: why episodes are rejected, as a key of `Meta.rejected`.
    """

    @property
    def environment(self) -> EnvironmentSpec: ...
    @property
    def state(self) -> tuple[Quantity, ...]: ...
    @property
    def reason(self) -> str: ...

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed` with `steps` transitions; None if it is rejected."""
        ...


@functools.cache  # per process, because compiling a scene takes longer than an episode
def explorer_of(scene: str) -> Explorer:
    """The explorer of a simulator.

    Args:
        scene: the simulator as `name,key=value`, or the path of its scene or scenario.

    Raises:
        SimulationError: if the scene cannot be explored.
    """
    spec = simulator_spec(scene, "scene")
    if spec["type"] not in EXPLORERS.entries:
        hint = did_you_mean(spec["type"], EXPLORERS.entries)
        raise SimulationError(f"{scene}: there is no explorer for the simulator '{spec['type']}', {hint}")
    explorer: Explorer = EXPLORERS.build(spec, "scene")
    return explorer
