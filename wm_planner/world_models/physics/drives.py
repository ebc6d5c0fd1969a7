"""The actuators that move a robot's joints: found by what they drive, checked, converted to joint targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import SimulationError

Floats = NDArray[np.float64]

Kind = Literal["position", "velocity", "torque"]

NAMES: dict[Kind | None, str] = {
    "position": "position servo",
    "velocity": "velocity servo",
    "torque": "torque motor",
    None: "actuator of another kind",
}
_JOINT = mujoco.mjtTrn.mjTRN_JOINT.value, mujoco.mjtTrn.mjTRN_JOINTINPARENT.value
_DIRECT = (
    mujoco.mjtDyn.mjDYN_NONE.value,
    mujoco.mjtDyn.mjDYN_FILTER.value,
    mujoco.mjtDyn.mjDYN_FILTEREXACT.value,
)


@dataclass(frozen=True, eq=False, slots=True)
class JointDrives:
    """One actuator per joint, in the order of the joints, whatever their order in the MJCF.

    A control value is `scale * target + offset`, which covers gears and gains: for a position servo of gear 1
    the scale is 1 and the offset 0.

    Attributes:
        joints: names, (J,).
        actuators: ids in the model, (J,).
        scale, offset: of control values, (J,) each.
    """

    joints: tuple[str, ...]
    actuators: tuple[int, ...]
    scale: Floats
    offset: Floats

    @classmethod
    def of(cls, model: mujoco.MjModel, joints: Sequence[str], kind: Kind | None) -> "JointDrives":
        """The drives of some joints of a model, which may have further actuators.

        Args:
            model: the robot, perhaps with others in its scene.
            joints: to be driven.
            kind: of control that each actuator must be made for; None for targets in the actuator's own unit.

        Raises:
            SimulationError: naming joints without exactly one actuator, and actuators of another kind.
        """
        found = {joint: _actuators_of(model, joint) for joint in joints}
        if problems := [_count(model, joint, drives) for joint, drives in found.items() if len(drives) != 1]:
            raise SimulationError(f"{'; '.join(problems)}. {_listing(model)}")
        actuators = tuple(drives[0] for drives in found.values())
        if wrong := [each for each in actuators if kind is not None and kind_of(model, each) != kind]:
            drives = ", ".join(f"{_name(model, each)} ({NAMES[kind_of(model, each)]})" for each in wrong)
            raise SimulationError(
                f"{kind} control needs a {NAMES[kind or 'position']} on each joint (in the MJCF <"
                f"{'motor' if kind == 'torque' else kind} joint='...'/>), but these are not: {drives}"
            )
        if kind is None:
            return cls(tuple(joints), actuators, np.ones(len(actuators)), np.zeros(len(actuators)))
        scale, offset = np.array([_conversion(model, each) for each in actuators]).reshape(-1, 2).T.copy()
        return cls(tuple(joints), actuators, scale, offset)

    @classmethod
    def servos(cls, model: mujoco.MjModel) -> "JointDrives":
        """All joints of a model that have one actuator, which is a position servo."""
        joints = (model.joint(i).name for i in range(model.njnt))
        found = {joint: _actuators_of(model, joint) for joint in joints if joint}
        driven = [
            joint for joint, ids in found.items() if len(ids) == 1 and kind_of(model, ids[0]) == "position"
        ]
        return cls.of(model, driven, "position")

    def control(self, targets: Floats, held: Floats) -> Floats:
        """Control values (..., C) with these targets (..., J); those of other actuators stay as in `held`.

        Args:
            targets: of the joints, in rad, rad/s or N m (m, m/s or N).
            held: control values, (..., C); columns after those of the actuators are kept too.
        """
        shape = (*np.broadcast_shapes(targets.shape[:-1], held.shape[:-1]), held.shape[-1])
        control = np.array(np.broadcast_to(held, shape))
        control[..., self.actuators] = self.values(targets)
        return control

    def values(self, targets: Floats) -> Floats:
        """The control values (..., J) of targets (..., J)."""
        return self.scale * targets + self.offset

    def targets(self, control: Floats) -> Floats:
        """The targets (..., J) of the joints in control values (..., C)."""
        targets: Floats = (np.take(control, self.actuators, axis=-1) - self.offset) / self.scale
        return targets

    def hold(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Let position servos hold the joints where they are."""
        values = self.values(np.array([data.joint(name).qpos[0] for name in self.joints]))
        data.ctrl[self.actuators,] = values
        states = model.actuator_actadr[self.actuators,]  # of filters; -1 for none
        data.act[states[states >= 0]] = values[states >= 0]


def kind_of(model: mujoco.MjModel, actuator: int) -> Kind | None:
    """What an actuator is made for, told from its gain and bias; None for anything else, such as a muscle."""
    gain, bias = model.actuator_gainprm[actuator], model.actuator_biasprm[actuator]
    is_linear = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED and gain[0] != 0
    if not is_linear or model.actuator_dyntype[actuator] not in _DIRECT:
        return None
    if model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE:
        return "torque"
    if model.actuator_biastype[actuator] != mujoco.mjtBias.mjBIAS_AFFINE:
        return None
    if bias[1] < 0:
        return "position"
    return "velocity" if bias[1] == 0 and bias[2] < 0 else None


def limits_of(model: mujoco.MjModel, joint: str) -> tuple[float, float]:
    """Lowest and highest position of a joint that can be commanded, in rad or m; infinite for a free one.

    MuJoCo clamps targets to the `ctrlrange` of a servo without a word, so it counts as a limit too.
    """
    low, high = model.joint(joint).range if model.joint(joint).limited[0] else (-np.inf, np.inf)
    for actuator in _actuators_of(model, joint):
        if kind_of(model, actuator) == "position" and model.actuator_ctrllimited[actuator]:
            scale, offset = _conversion(model, actuator)
            first, last = sorted((model.actuator_ctrlrange[actuator] - offset) / scale)
            low, high = max(low, first), min(high, last)
    return float(low), float(high)


def driven_joints(model: mujoco.MjModel, carrier: str) -> tuple[str, ...]:
    """The joints with an actuator on the bodies that a joint carries, such as the fingers of an arm.

    Args:
        model: the robot, perhaps with others in its scene.
        carrier: name of the joint.
    """
    carried = subtree(model, int(model.joint(carrier).bodyid[0]))
    names = (model.joint(i).name for i in range(model.njnt) if int(model.jnt_bodyid[i]) in carried)
    return tuple(name for name in names if name not in ("", carrier) and _actuators_of(model, name))


def subtree(model: mujoco.MjModel, root: int) -> set[int]:
    """Ids of a body and of all bodies that it carries."""
    bodies = {root}
    for body in range(root + 1, model.nbody):  # parents come first
        if int(model.body_parentid[body]) in bodies:
            bodies.add(body)
    return bodies


def _conversion(model: mujoco.MjModel, actuator: int) -> tuple[float, float]:
    """Scale and offset of an actuator's control value for a target of its joint.

    MuJoCo: force = gain * control + bias[0] + bias[1] * gear * position + bias[2] * gear * velocity, and the
    joint gets gear * force.
    """
    gear, gain = model.actuator_gear[actuator, 0], model.actuator_gainprm[actuator, 0]
    bias = model.actuator_biasprm[actuator]
    if kind_of(model, actuator) == "torque":
        return 1 / (gear * gain), 0.0
    slope = bias[1] if kind_of(model, actuator) == "position" else bias[2]
    return -slope * gear / gain, -bias[0] / gain


def _actuators_of(model: mujoco.MjModel, joint: str) -> list[int]:
    """Actuators whose transmission is a joint, with a gear."""
    is_on = np.isin(model.actuator_trntype, _JOINT) & (model.actuator_trnid[:, 0] == model.joint(joint).id)
    return [int(each) for each in np.flatnonzero(is_on & (model.actuator_gear[:, 0] != 0))]


def _count(model: mujoco.MjModel, joint: str, actuators: Sequence[int]) -> str:
    if not actuators:
        return f"no actuator drives joint '{joint}'"
    return f"joint '{joint}' has {len(actuators)} actuators ({', '.join(_name(model, i) for i in actuators)})"


def _listing(model: mujoco.MjModel) -> str:
    """The actuators of a model and what they drive, in words."""
    if not model.nu:
        return "The model has no actuators"
    driven = (
        f"{_name(model, i)} (joint {model.joint(int(model.actuator_trnid[i, 0])).name})"
        if model.actuator_trntype[i] in _JOINT
        else f"{_name(model, i)} (no joint)"
        for i in range(model.nu)
    )
    return f"Wanted one per joint; the actuators are {', '.join(driven)}"


def _name(model: mujoco.MjModel, actuator: int) -> str:
    return model.actuator(actuator).name or f"actuator {actuator}"
