"""The plainest control: an action is the actuators' targets, held for a control period."""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.kinematics import Floats
from wm_planner.errors import ConfigError, SimulationError


@dataclass(frozen=True, slots=True)
class ActuatorTargets:
    """Sends every component of an action to one actuator, in the actuator's unit.

    Attributes:
        joints: what the actuators move, (J,) names.
        bounds: low and high end of the targets, and their largest change a second: none, (J,) each.
    """

    joints: tuple[str, ...]
    bounds: tuple[Floats, Floats, Floats]
    depends_on_posture: bool = False

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "ActuatorTargets":
        """All actuators of a model, each of which must move one joint and have a range.

        Raises:
            SimulationError: naming an actuator that does not.
        """
        for actuator in map(model.actuator, range(model.nu)):
            if actuator.trntype[0] != mujoco.mjtTrn.mjTRN_JOINT or not actuator.ctrllimited[0]:
                raise SimulationError(
                    f"actuator '{actuator.name}' must move a joint and have a ctrlrange: it says what "
                    "an action may be"
                )
        joints = tuple(model.joint(int(joint)).name for joint in model.actuator_trnid[:, 0])
        low, high = model.actuator_ctrlrange.T.copy()
        return cls(joints, (low, high, np.full(model.nu, np.inf)))

    def command(self, q: Floats, action: Floats) -> Floats:
        """The targets (..., J) of `action` (..., J); the posture does not matter."""
        return action

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """The targets `end` (..., J) from the first substep on, (..., substeps, J)."""
        return np.repeat(end[..., None, :], substeps, axis=-2)

    def with_iterations(self, iterations: int) -> "ActuatorTargets":
        """There is no inverse kinematics here."""
        raise ConfigError(
            f"ik_iterations is {iterations}, actions here are targets of the actuators of "
            f"{', '.join(self.joints)}, without inverse kinematics: leave it out"
        )

    def at_rest(self, tcp: Floats) -> Floats:
        """There is no tool point here, whatever the actuators move."""
        raise SimulationError("actuators know of no tool point: place the scene by its joints")
