"""Direct control: the components of an action are the actuators' targets."""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.kinematics import Floats
from wm_planner.errors import ConfigError, SimulationError


@dataclass(frozen=True, slots=True)
class ActuatorTargets:
    """Passes each component of an action to one actuator, in the actuator's unit.

    Attributes:
        joints: names of the actuated joints, (J,).
        bounds: low and high limit of the targets, and their largest rate of change per second (infinite),
            (J,) each.
    """

    joints: tuple[str, ...]
    bounds: tuple[Floats, Floats, Floats]
    depends_on_posture: bool = False
    coupled: int = 0
    kind: None = None

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "ActuatorTargets":
        """Control of all actuators of a model, each of which must move one joint and have a range.

        Raises:
            SimulationError: naming an actuator without a joint or a range.
        """
        for actuator in map(model.actuator, range(model.nu)):
            if actuator.trntype[0] != mujoco.mjtTrn.mjTRN_JOINT or not actuator.ctrllimited[0]:
                raise SimulationError(
                    f"actuator '{actuator.name}' must move a joint and have a ctrlrange, which bounds the "
                    "actions"
                )
        joints = tuple(model.joint(int(joint)).name for joint in model.actuator_trnid[:, 0])
        low, high = model.actuator_ctrlrange.T.copy()
        return cls(joints, (low, high, np.full(model.nu, np.inf)))

    def command(self, q: Floats, action: Floats) -> Floats:
        """The targets (..., J), equal to `action` (..., J); independent of the joint positions `q`."""
        return action

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J): `end` (..., J) from the first substep on."""
        return np.repeat(end[..., None, :], substeps, axis=-2)

    def with_iterations(self, iterations: int) -> "ActuatorTargets":
        """Not supported, because there is no inverse kinematics."""
        raise ConfigError(
            f"ik_iterations is {iterations}, but actions are direct targets of the actuators of "
            f"{', '.join(self.joints)}, without inverse kinematics: leave it out"
        )

    def at_rest(self, tcp: Floats) -> Floats:
        """Not supported, because there is no tool point."""
        raise SimulationError("actuator targets have no tool point: place the scene by its joints")
