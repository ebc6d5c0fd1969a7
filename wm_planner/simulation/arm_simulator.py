"""What exploration and closed-loop evaluation of arms need of a simulator, whichever its engine."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import Simulator
from wm_planner.contracts.task import Placement
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.motors import Motors
from wm_planner.errors import ShapeError
from wm_planner.simulation.scene import Scene
from wm_planner.world_models.physics.plant import Control


class ArmSimulator(Simulator, Protocol):
    """A simulator of a scene with a robot; its commands are targets of the robot's actuators.

    Attributes:
        joints: names of the actuated joints.
        actuator_targets: of the actuated joints now, (J,) in rad or m.
        control: converts actions to commands.
        arm: the same, if actions are displacements of a tool point; else it raises SimulationError.
        motors: of the robot, whose targets are controls in proportion to torques; None for servos.
        point: position of the point that the task brings to a goal, (3,) in m, world frame.
        ramp_s: time in which a command moves the targets.
    """

    ramp_s: float

    @property
    def scene(self) -> Scene: ...
    @property
    def joints(self) -> tuple[str, ...]: ...
    @property
    def actuator_targets(self) -> NDArray[np.float64]: ...
    @property
    def control(self) -> Control: ...
    @property
    def arm(self) -> EndEffectorDelta: ...
    @property
    def motors(self) -> Motors | None: ...
    @property
    def point(self) -> NDArray[np.float64]: ...

    def stop_command(self) -> NDArray[np.float64] | None:
        """The command that brings the robot to rest; None where servos hold it by themselves."""
        ...

    def arrange(self, placement: Placement) -> Observation:
        """Set up the scene in a configuration, at rest."""
        ...

    def place(self, tcp: NDArray[np.float64]) -> Observation:
        """Set up the scene with the tool point at `tcp`, (3,) in m, at rest."""
        ...

    def measured(self, name: str) -> NDArray[np.float64]:
        """A quantity of the true state that is not part of observations, such as `block_position`.

        Raises:
            SimulationError: if there is no such quantity.
        """
        ...


def ramp_substeps(ramp_s: float, timestep_s: float) -> int:
    """Physics steps of a movement of targets, see `control.ee_delta.ramp`, that move within `ramp_s`."""
    return max(1, round(ramp_s / RAMP / timestep_s))


def checked_targets(command: ArrayLike, joints: Sequence[str]) -> NDArray[np.float64]:
    """A command of an arm simulator: targets of its actuators, (J,) in rad or m.

    Raises:
        ShapeError: for another number of targets, or non-finite ones.
    """
    target = np.asarray(command, np.float64)
    if target.shape != (len(joints),) or not np.isfinite(target).all():
        raise ShapeError(
            f"a command is {target.tolist()}, wanted {len(joints)} finite actuator targets "
            f"({', '.join(joints)}): `control` converts actions to them"
        )
    return target
