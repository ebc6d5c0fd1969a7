"""Who gathers experience: the contract, and what is behind a path."""

import functools
from pathlib import Path
from typing import Protocol

from wm_planner.contracts.dataset import Episode, StateSpec
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.simulation.scene import SCENE_SUFFIX


class Explorer(Protocol):
    """Plays episodes in a scene, or in one traffic scenario after the other.

    Attributes:
        hosted: cameras, actions and their period, as a model is to see them.
        state: what is recorded beside pictures.
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
    """The explorer of a scene file, of a traffic scenario, or of a folder of those.

    Raises:
        SimulationError: if nothing can be explored there.
    """
    if Path(scene).suffix == SCENE_SUFFIX:
        from wm_planner.manipulation.exploration import ArmExplorer

        return ArmExplorer(scene)
    from wm_planner.driving.simulation.exploration import TrafficExplorer

    return TrafficExplorer(scene)
