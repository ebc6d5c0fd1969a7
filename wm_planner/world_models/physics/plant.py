"""What planning with physics needs from a scene: its MJCF, its actions and their controller."""

import math
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import ConfigError
from wm_planner.world_models.physics.drives import Floats, Kind

Model: TypeAlias = Any
"""A compiled `mujoco.MjModel`; scene files need not import MuJoCo."""


TRUTH = ("physics", "control")
"""The states that planning with physics starts from: MuJoCo's full physics, and what is set from outside."""


class Control(Protocol):
    """Converts actions to actuator targets; implemented in `control/`.

    Axes: J actuators, A action components.

    Attributes:
        joints: names of the actuated joints, (J,).
        depends_on_posture: whether the targets of an action depend on the joint positions at its start.
        bounds: low and high limit of the targets, and their largest rate of change per second, (J,) each.
        coupled: number of leading joints that slow down together, see `control.safety.Limits`.
        kind: what the targets are; None for those in the actuators' own units.
    """

    @property
    def joints(self) -> tuple[str, ...]: ...
    @property
    def depends_on_posture(self) -> bool: ...
    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]: ...
    @property
    def coupled(self) -> int: ...
    @property
    def kind(self) -> Kind | None: ...

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that execute `action` (..., A) from joint positions `q` (..., J)."""
        ...

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) within a control period, from `start` (..., J) to `end` (..., J)."""
        ...

    def with_iterations(self, iterations: int) -> "Control":
        """A copy with this number of inverse-kinematics iterations per action.

        Raises:
            ConfigError: if it has no inverse kinematics.
        """
        ...

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets, which are also joint positions, (J,), that hold the tool point at `tcp`, (3,) in m.

        Raises:
            SimulationError: if the robot has no tool point.
        """
        ...


class Plant(Protocol):
    """The part of a scene that planning with physics needs.

    Attributes:
        name: of the scene.
        model_file: path of the MJCF file.
        points: its sites or bodies whose positions are states, `<name>_position`, (3,) in m.
        control_dt_s: time between two commands, in seconds.
        action: names, units and bounds of one action.
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
        """The converter from actions to targets of the actuators of `model`, compiled from the file."""
        ...


def substeps(plant: Plant, timestep_s: float, setting: str) -> int:
    """Time steps of the physics per control period.

    Args:
        plant: the scene.
        timestep_s: integration time step, in seconds.
        setting: where the time step is set, for the error.

    Raises:
        ConfigError: if the period is no whole number of time steps, which would make clock and physics drift.
    """
    steps = round(plant.control_dt_s / timestep_s)
    if steps < 1 or abs(steps * timestep_s - plant.control_dt_s) > 1e-9:
        fitting = plant.control_dt_s / math.ceil(plant.control_dt_s / timestep_s)
        raise ConfigError(
            f"{setting} is {timestep_s:g}, but the control period of {plant.name} is {plant.control_dt_s:g} "
            f"s: wanted a whole number of time steps per period, e.g. steps of {fitting:.10g} s"
        )
    return steps
