"""The contract of an explorer, and the explorer of a simulator."""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.dataset import Episode, Signal
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import EnvironmentSpec, Simulator
from wm_planner.errors import SimulationError
from wm_planner.plugins import Registry
from wm_planner.simulation import SIMULATORS
from wm_planner.simulation.selection import simulator_spec

Action = NDArray[np.float64]

Act = Callable[[Observation, Observation], Action | None]
"""The action (A,) after an observation, given what a planner may know of the goal; None ends the episode."""

EXPLORERS = Registry("explorer", {"gym": "wm_planner.collection.gym:GymExplorer"})
"""By the names of SIMULATORS; an explorer takes the settings of its simulator."""


class Explorer(Protocol):
    """Runs exploratory episodes in a scene, or in a series of traffic scenarios.

    Attributes:
        environment: cameras, actions and rate of the recorded data.
        state: the quantities recorded with the images.
        signals: further arrays of its episodes, e.g. `contracts.dataset.REWARD`.
        reason: why episodes are rejected, as a key of `Meta.rejected`.
    """

    @property
    def environment(self) -> EnvironmentSpec: ...
    @property
    def state(self) -> tuple[Quantity, ...]: ...
    @property
    def signals(self) -> tuple[Signal, ...]: ...
    @property
    def reason(self) -> str: ...

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed` with at most `steps` transitions; None if it is rejected."""
        ...


@runtime_checkable
class BatchExplorer(Protocol):
    """An explorer that runs several episodes at once, where that is faster."""

    def episodes(self, seeds: Sequence[int], steps: int) -> list[Episode | None]:
        """The episodes of `seeds`, each equal to that of `Explorer.episode`."""
        ...


@runtime_checkable
class ActionsPlayer(Protocol):
    """An explorer that can also play given actions, as `wm practise` needs it.

    Attributes:
        simulator: in which they are played.
    """

    @property
    def simulator(self) -> Simulator: ...

    def play(self, seed: int, steps: int, act: Act) -> Episode | None:
        """The episode of `seed` with at most `steps` transitions, with the actions of `act`.

        Returns:
            None if there was no transition, or the episode is rejected.
        """
        ...


@functools.cache  # per process, because compiling a scene takes longer than an episode
def explorer_of(scene: str) -> Explorer:
    """The explorer of a simulator: the registered one, or the class's `Explorer`, made from the simulator.

    Args:
        scene: the simulator as `name,key=value`, where the name may be `path/file.py:Class` or
            `package.module:Class`; or the path of its scene or scenario.

    Raises:
        ConfigError, PluginError: if the simulator is unknown or its settings do not fit.
        SimulationError: if it cannot be explored.
    """
    spec, explorer = simulator_spec(scene, "scene"), None
    if spec["type"] in EXPLORERS.entries:
        explorer = EXPLORERS.build(spec, "scene")
    elif make := getattr(SIMULATORS.load(spec["type"]), "Explorer", None):
        explorer = make(SIMULATORS.build(spec, "scene"))
    if explorer is None:
        raise SimulationError(
            f"{scene}: the simulator has no explorer; give its class an attribute `Explorer`, e.g. a class "
            "derived from wm_planner.collection.RandomExplorer"
        )
    found: Explorer = explorer
    return found
