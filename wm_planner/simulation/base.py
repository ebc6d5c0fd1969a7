"""The contract of a simulator, and of the scene that it hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.world_models.base import Observation


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one control step led to.

    Attributes:
        observation: after the step.
        success: whether the goal holds now.
        distance: how far the goal is, in the scene's unit (m).
    """

    observation: Observation
    success: bool
    distance: float
    info: Mapping[str, Any] = field(default_factory=dict)


class Simulator(Protocol):
    """A world that answers commands; it stands still between two steps."""

    @property
    def control_dt_s(self) -> float: ...

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: the same seed gives the same episode."""
        ...

    @property
    def goal(self) -> Observation:
        """The goal as a sensor would see it: pictures, no state."""
        ...

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Advance by one control period with `command`, the robot's own command vector."""
        ...

    def save(self) -> Any:
        """The whole state, to be given to `load`."""
        ...

    def load(self, state: Any) -> None: ...

    def close(self) -> None: ...
