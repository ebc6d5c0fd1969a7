"""What planning over physics must know of a scene: its MJCF, its actions, what they do to actuators."""

from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec

Floats = NDArray[np.float64]
Model: TypeAlias = Any
"""A compiled `mujoco.MjModel`; scene files need not import MuJoCo."""


class Control(Protocol):
    """Turns actions into actuator targets; see `control/`. Axes: J actuators, A components of an action.

    Attributes:
        joints: what the actuators move, in the actuators' order, (J,) names.
        depends_on_posture: whether what an action does depends on where the joints are when it begins.
        bounds: low and high end of the targets and their largest change a second, (J,) each.
    """

    @property
    def joints(self) -> tuple[str, ...]: ...
    @property
    def depends_on_posture(self) -> bool: ...
    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]: ...

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that carry out `action` (..., A) from joint positions `q` (..., J)."""
        ...

    def approach(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) of a control period that leads from `start` to `end`, (..., J)."""
        ...

    def with_iterations(self, iterations: int) -> "Control":
        """The same with so many iterations of its inverse kinematics an action.

        Raises:
            ConfigError: if it has none.
        """
        ...

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets, and joint positions, (J,) that hold a tool point at `tcp`, (3,) m.

        Raises:
            SimulationError: if the robot has no tool point.
        """
        ...


class Plant(Protocol):
    """The part of a scene that physics is planned over.

    Attributes:
        model_file: the MJCF.
        points: sites or bodies of it whose positions are states, each as `<name>_position`, (3,) m.
        control_dt_s: time between two commands.
        action: one action, with its bounds.
    """

    @property
    def name(self) -> str: ...
    @property
    def model_file(self) -> Path: ...
    @property
    def points(self) -> tuple[str, ...]: ...
    @property
    def control_dt_s(self) -> float: ...
    @property
    def action(self) -> ActionSpec: ...

    def control(self, model: Model) -> Control:
        """What turns actions into targets of the actuators of `model`, compiled from the file."""
        ...
