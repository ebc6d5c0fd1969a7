"""The contract of a simulator, and what it says of the scene or scenario that it hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation


class Hosted(Protocol):
    """What a simulator tells of the scene or scenario that it hosts.

    Attributes:
        cameras: names of the pictures in an observation.
        image_size: (height, width) of each, pixels.
        control_dt_s: time between two commands.
        action: one action, with its bounds.
    """

    @property
    def name(self) -> str: ...
    @property
    def cameras(self) -> tuple[str, ...]: ...
    @property
    def image_size(self) -> tuple[int, int]: ...
    @property
    def control_dt_s(self) -> float: ...
    @property
    def action(self) -> ActionSpec: ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one control step led to.

    Attributes:
        observation: after the step.
        success: whether the goal holds now.
        distance: how far the goal is, in m.
        info: quantities of interest to the one who collects data.
    """

    observation: Observation
    success: bool
    distance: float
    info: Mapping[str, float] = field(default_factory=dict)


class Simulator(Protocol):
    """A world that answers commands; it stands still between two steps."""

    @property
    def scene(self) -> Hosted: ...

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: the same seed gives the same episode."""
        ...

    @property
    def goal(self) -> Observation:
        """The goal as the sensors would see it: pictures, no state."""
        ...

    @property
    def goal_position(self) -> NDArray[np.float64]:
        """Where the goal truly is, (3,) in m; for scoring, never for planning."""
        ...

    @property
    def distance(self) -> float:
        """How far the goal is now, in m."""
        ...

    @property
    def reached(self) -> bool:
        """Whether the task is done."""
        ...

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Advance by one control period with `command`, the robot's own command vector."""
        ...

    def command(self, command: NDArray[np.float64], /) -> None:
        """From now on obey `command`: `step` is this, and `advance` by a control period."""
        ...

    def advance(self, seconds: float) -> object:
        """Let time pass under the last command."""
        ...

    def observe(self) -> Observation:
        """What the sensors say now."""
        ...

    def save(self) -> Any:
        """The whole state, to be given to `load`."""
        ...

    def load(self, state: Any) -> None: ...

    def close(self) -> None: ...
