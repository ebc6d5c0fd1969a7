"""The contract of a simulator, and the specification of the environment that it simulates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Goal


class EnvironmentSpec(Protocol):
    """Sensors, actions and rate of a scene or scenario.

    Attributes:
        name: of the scene or scenario.
        cameras: names of the images in an observation.
        image_size: (height, width) of each image, in pixels.
        control_dt_s: time between two commands, in seconds.
        action: names, units and bounds of one action.
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
    """The outcome of one control step.

    Attributes:
        observation: after the step.
        success: whether the task is solved now.
        distance: to the goal, in m; NaN where the task has none.
        reward: of this step, in the environment's unit; 0 where the task has none.
        terminated: whether the episode is over, because the task is solved or has failed.
        truncated: whether it was cut off, for example by a limit of time.
        info: further measurements by name, e.g. for data collection.
        failure: why the episode has failed, in words, e.g. that the physics diverged; such a step is
            terminated too. "" if it has not.
    """

    observation: Observation
    success: bool
    distance: float = math.nan
    info: Mapping[str, float] = field(default_factory=dict)
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    failure: str = ""

    @property
    def is_over(self) -> bool:
        """Whether no further step belongs to the episode."""
        return self.terminated or self.truncated


class Simulator(Protocol):
    """A simulated world that moves only in `step` and `advance`."""

    @property
    def scene(self) -> EnvironmentSpec: ...

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`; the same seed starts the same episode."""
        ...

    @property
    def goal(self) -> Goal:
        """What a planner may know of the goal; empty for none."""
        ...

    @property
    def goal_position(self) -> NDArray[np.float64]:
        """True position of the goal, (3,) in m, or (0,); for scoring, never for planning."""
        ...

    @property
    def distance(self) -> float:
        """Current distance to the goal, in m; NaN where the task has none."""
        ...

    @property
    def reached(self) -> bool:
        """Whether the task is solved now."""
        ...

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Apply `command`, the robot's own command vector, and advance by one control period."""
        ...

    def command(self, command: NDArray[np.float64], /) -> None:
        """Apply `command` from now on; `step` does this, then `advance` by a control period."""
        ...

    def advance(self, seconds: float) -> object:
        """Advance the simulation under the last command.

        Returns:
            A `StepResult` with the summed reward if at least one step was rewarded or ended the episode;
            anything else is ignored.
        """
        ...

    def observe(self) -> Observation:
        """The current sensor readings."""
        ...

    def save(self) -> Any:
        """The complete simulation state, for `load`."""
        ...

    def load(self, state: Any) -> None:
        """Restore a state from `save`; the simulation continues from there exactly as before."""
        ...

    def close(self) -> None:
        """Release the simulator's resources."""
        ...
