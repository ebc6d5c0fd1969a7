"""Torque control: the motors of a robot, and a hold that compensates gravity.

Axes: J motors.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Limits
from wm_planner.errors import SimulationError
from wm_planner.world_models.physics.drives import JointDrives, kind_of

STIFFNESS = 0.25
"""Acceleration of a hold towards its posture, in errors per period squared; with DAMPING no overshoot."""

DAMPING = 1.0
"""Acceleration of a hold against the velocity, in velocity per period."""


@dataclass(frozen=True)
class Motors:
    """Motors that exert a torque, or a force along a slide, on one joint each.

    Attributes:
        drives: the actuators of the driven joints, (J,), which are all actuators of the model.
        units: of the torques, N m, or N for a slide.
        limits: lowest and highest torque, (J,), whichever of the ranges in the MJCF is the narrowest.
        model: the robot.
    """

    drives: JointDrives
    units: tuple[str, ...]
    limits: Limits
    model: mujoco.MjModel

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "Motors":
        """The actuators of a model.

        Raises:
            SimulationError: naming an actuator that is no motor, drives no joint alone, or has no range.
        """
        for actuator in map(model.actuator, range(model.nu)):
            if not _is_motor(model, actuator.id):
                raise SimulationError(
                    f"actuator '{actuator.name}' is no <motor> of a joint (servos take positions): for "
                    "torques every actuator must be one (controller: params.control.mode)"
                )
        joints = model.actuator_trnid[:, 0]
        if not model.nu or len(set(joints.tolist())) < model.nu:
            raise SimulationError(
                f"the robot has {model.nu} motors of {len(set(joints.tolist()))} joints, wanted one per joint"
            )
        names = tuple(model.joint(int(joint)).name for joint in joints)
        low, high = _range(model)
        for name, least, most in zip(names, low, high, strict=True):
            if not least < most or not np.isfinite([least, most]).all():
                raise SimulationError(
                    f"the motor of joint '{name}' exerts from {least:g} to {most:g}, wanted a range: give it "
                    "a ctrlrange or a forcerange, and a gear other than 0"
                )
        slides = model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_SLIDE
        units = tuple("N" if slide else "N m" for slide in slides)
        limits = Limits(low, high, np.full(len(names), np.inf))
        return cls(JointDrives.of(model, names, "torque"), units, limits, model)

    @classmethod
    def if_any(cls, model: mujoco.MjModel) -> "Motors | None":
        """The motors of a model; None if it has none, because its actuators are servos.

        Raises:
            SimulationError: as for `of`, for a model with motors and servos too.
        """
        return cls.of(model) if any(_is_motor(model, i) for i in range(model.nu)) else None

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the driven joints, (J,)."""
        return self.drives.joints

    def controls(self, torques: Floats) -> Floats:
        """The actuators' controls (J,) that exert `torques` (J,) in N m or N."""
        return self.drives.values(torques)


class MotorHold:
    """The torques that bring joints to a posture and keep them there; not thread-safe.

    They accelerate the joints by `STIFFNESS` and `DAMPING`, and compensate gravity, springs and Coriolis
    forces by the robot's model. Joints without a motor are taken to be at rest where the model has them.
    """

    def __init__(self, motors: Motors, data: mujoco.MjData | None = None) -> None:
        self._motors, self._model = motors, motors.model
        self._data = mujoco.MjData(motors.model) if data is None else data
        ids = [int(self._model.joint(name).id) for name in motors.joints]
        self._positions, self._velocities = self._model.jnt_qposadr[ids], self._model.jnt_dofadr[ids]

    def torques(self, q: Floats, velocity: Floats, target: Floats, period_s: float) -> Floats:
        """Torques (J,) in N m or N for one period, within the motors' limits.

        Args:
            q, velocity: measured, (J,) in rad or m, and per second.
            target: the posture to hold, (J,).
            period_s: until the next torques.
        """
        model, data = self._model, self._data
        data.qpos[self._positions], data.qvel[self._velocities] = q, velocity
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        wanted = np.zeros(model.nv)
        wanted[self._velocities] = -STIFFNESS * (q - target) / period_s**2 - DAMPING * velocity / period_s
        inertial = np.empty(model.nv)
        mujoco.mj_mulM(model, data, inertial, wanted)
        forces = inertial + data.qfrc_bias - data.qfrc_gravcomp - data.qfrc_spring
        torques = forces[self._velocities]
        return self._motors.limits.apply(torques, torques, period_s).command


def has_motors(model: mujoco.MjModel) -> bool:
    """Whether all actuators of a model are motors."""
    return bool(model.nu) and all(_is_motor(model, i) for i in range(model.nu))


def _is_motor(model: mujoco.MjModel, actuator: int) -> bool:
    """Whether an actuator exerts a torque on one joint that is proportional to its control at once."""
    is_on_a_joint = model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
    return bool(
        is_on_a_joint and kind_of(model, actuator) == "torque" and not model.actuator_actnum[actuator]
    )


def _range(model: mujoco.MjModel) -> tuple[Floats, Floats]:
    """Lowest and highest torque (J,) by `ctrlrange`, `forcerange` and the joint's `actuatorfrcrange`."""
    gear, joints = model.actuator_gear[:, 0], model.actuator_trnid[:, 0]
    gain = gear * model.actuator_gainprm[:, 0]
    low, high = np.full(model.nu, -np.inf), np.full(model.nu, np.inf)
    for is_limited, ends in (
        (model.actuator_ctrllimited, gain[:, None] * model.actuator_ctrlrange),
        (model.actuator_forcelimited, gear[:, None] * model.actuator_forcerange),
        (model.jnt_actfrclimited[joints], model.jnt_actfrcrange[joints]),
    ):
        low = np.where(is_limited, np.maximum(low, ends.min(axis=1)), low)
        high = np.where(is_limited, np.minimum(high, ends.max(axis=1)), high)
    return low, high
