"""What gathers experience: the contract, and the explorer of a simulator."""

import functools
from typing import Protocol

from wm_planner.contracts.dataset import Episode, StateSpec
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.plugins import Registry
from wm_planner.simulation.selection import simulator_spec

EXPLORERS = Registry("explorer")
"""By the names of simulators; made from the same settings."""


class Explorer(Protocol):
    """Plays episodes in a scene, or in one traffic scenario after the other.

    Attributes:
        hosted: cameras, actions and their period, as a model is to see them.
        state: what is recorded next to pictures.
        reason: why an episode is left out.
    """

    @property
    def hosted(self) -> EnvironmentSpec: ...
    @property
    def state(self) -> tuple[StateSpec, ...]: ...
    @property
    def reason(self) -> str: ...

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed`, of `steps` transitions; None if it is to be left out."""
        ...


@functools.cache  # in each process: compiling a scene costs more than an episode
def explorer_of(scene: str) -> Explorer:
    """The explorer of a simulator, given as `name,key=value` or by the path of what it hosts.

    Raises:
        SimulationError: if nothing can be explored there.
    """
    explorer: Explorer = EXPLORERS.build(simulator_spec(scene, "scene"), "scene")
    return explorer
