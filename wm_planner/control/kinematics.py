"""Forward kinematics and Jacobians of a serial arm, batched over configurations.

Axes: ... any batch axes, J joints.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.control.site_kinematics import SiteKinematics
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.world_models.physics.drives import limits_of

Floats = NDArray[np.float64]

_NEXT, _AFTER = [1, 2, 0], [2, 0, 1]  # the axes that follow each of x, y and z


class Kinematics(Protocol):
    """The kinematics of a tool point in the base frame, at joint positions `q`, (..., J) in rad.

    Attributes:
        names: of the joints, from the base.
        low, high: joint limits in rad, (J,).
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def low(self) -> Floats: ...
    @property
    def high(self) -> Floats: ...

    def forward(self, q: Floats) -> tuple[Floats, Floats]:
        """Position (..., 3) in m and rotation (..., 3, 3) of the tool point."""
        ...

    def jacobian(self, q: Floats) -> tuple[Floats, Floats, Floats]:
        """Position, rotation and Jacobian (..., 6, J): linear rows in m/rad, then angular ones."""
        ...


@dataclass(frozen=True, eq=False)
class SerialChain:
    """The hinge joints between a fixed base and a tool point.

    Attributes:
        names: of the joints, from the base.
        rotations: of each joint frame relative to the previous one, (J + 1, 3, 3); the last entry is the
            tool point's.
        offsets: origins of the same frames relative to the previous one, in m, (J + 1, 3).
        axes: of rotation, in each joint's own frame, (J, 3).
        low, high: joint limits in rad, (J,); infinite for joints that turn freely.
        site: the tool point in MuJoCo's model, for single configurations.
    """

    names: tuple[str, ...]
    rotations: Floats
    offsets: Floats
    axes: Floats
    low: Floats
    high: Floats
    site: SiteKinematics

    @classmethod
    def of(cls, model: mujoco.MjModel, site: str) -> "SerialChain":
        """The chain from the base to `site`.

        Raises:
            SimulationError: if the site does not exist, or the chain has joints other than single hinges.
        """
        sites = [model.site(i).name for i in range(model.nsite)]
        if site not in sites:
            raise SimulationError(f"the robot has no site '{site}', {did_you_mean(site, sites)}")
        rotations, offsets, joints = [], [], []
        rotation = _matrix(model.site(site).quat)
        offset = np.array(model.site(site).pos)
        body = int(model.site(site).bodyid[0])
        while body:
            count = int(model.body_jntnum[body])
            if count:
                joint = int(model.body_jntadr[body])
                if (
                    count > 1
                    or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_HINGE
                    or model.jnt_pos[joint].any()
                ):
                    raise SimulationError(
                        f"body '{model.body(body).name}' does not move by one hinge at its origin; "
                        "the chain to a tool point must consist of single hinges"
                    )
                joints.append(joint)
                zero = _turn(model.jnt_axis[joint], -model.qpos0[model.jnt_qposadr[joint]])
                rotations.append(zero @ rotation)
                offsets.append(zero @ offset)
                rotation, offset = np.eye(3), np.zeros(3)
            local = _matrix(model.body_quat[body])
            rotation, offset = local @ rotation, model.body_pos[body] + local @ offset
            body = int(model.body_parentid[body])
        if not joints:
            raise SimulationError(f"no joint moves site '{site}'")
        joints.reverse()
        names = tuple(model.joint(j).name for j in joints)
        low, high = np.array([limits_of(model, name) for name in names]).T.copy()
        return cls(
            names=names,
            rotations=np.array([rotation, *reversed(rotations)]),
            offsets=np.array([offset, *reversed(offsets)]),
            axes=model.jnt_axis[joints].copy(),
            low=low,
            high=high,
            site=SiteKinematics(model, site, joints),
        )

    def forward(self, q: Floats) -> tuple[Floats, Floats]:
        """Position (..., 3) in m and rotation (..., 3, 3) of the tool point, base frame, at `q` (..., J).

        For a single configuration (J,) MuJoCo computes both, as for `jacobian`.
        """
        if q.ndim == 1:
            return self.site.pose(q)
        position, rotation, _, _ = self._sweep(q)
        return position, rotation

    def jacobian(self, q: Floats) -> tuple[Floats, Floats, Floats]:
        """Position, rotation and Jacobian (..., 6, J) at `q` (..., J), base frame.

        The Jacobian has three linear rows, in m/rad, then three angular ones. For a single configuration (J,)
        MuJoCo computes all three, which differ from the batched results in the last bits.
        """
        if q.ndim == 1:
            return self.site.jacobian(q)
        position, rotation, origins, axes = self._sweep(q)
        linear = cross(axes, position[..., None, :] - origins)  # (..., J, 3)
        return position, rotation, np.swapaxes(np.concatenate([linear, axes], axis=-1), -1, -2)

    def _sweep(self, q: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Tool position and rotation, and the origins and axes of all joints, (..., J, 3), base frame."""
        angles = np.moveaxis(q, -1, 0)[..., None, None]
        fixed, sine, versine = (part.reshape(-1, *(1,) * (q.ndim - 1), 3, 3) for part in self._rodrigues)
        rotations = fixed + np.sin(angles) * sine + (1 - np.cos(angles)) * versine  # (J, ..., 3, 3)
        frames = np.empty((len(self.names) + 1, *rotations.shape[1:]))
        frames[0] = self.rotations[0]
        for j, rotation in enumerate(rotations):
            np.matmul(frames[j], rotation, out=frames[j + 1])
        frames = np.ascontiguousarray(np.moveaxis(frames, 0, -3))  # (..., J + 1, 3, 3)
        axes = (frames[..., :-1, :, :] @ self.axes[..., None])[..., 0]
        origins = np.empty(frames.shape[:-1])
        origins[..., 0, :] = self.offsets[0]
        origins[..., 1:, :] = (frames[..., 1:, :, :] @ self._links[..., None])[..., 0]
        np.cumsum(origins, axis=-2, out=origins)
        return origins[..., -1, :], frames[..., -1, :, :], origins[..., :-1, :], axes

    @cached_property
    def _rodrigues(self) -> tuple[Floats, Floats, Floats]:
        """Coefficients of 1, sin q and 1 - cos q in the rotation to the next joint's frame, (J, 3, 3) each.

        Rodrigues' formula, multiplied by the fixed rotation between the joints.
        """
        cross = np.zeros((len(self.axes), 3, 3))
        cross[:, [2, 0, 1], [1, 2, 0]] = self.axes
        cross[:, [1, 2, 0], [2, 0, 1]] = -self.axes
        fixed = self.rotations[1:]
        return fixed, cross @ fixed, cross @ cross @ fixed

    @cached_property
    def _links(self) -> Floats:
        """Vector from each joint to the next, in the frame of the next, (J, 3) in m."""
        links: Floats = (np.swapaxes(self.rotations[1:], -1, -2) @ self.offsets[1:, :, None])[..., 0]
        return links


def rotation_error(target: Floats, rotation: Floats) -> Floats:
    """The orientation error (..., 3) in rad, base frame, that rotates `rotation` towards `target`.

    Half the sum of the cross products of corresponding axes: equal to the rotation vector to first order, and
    smooth.
    """
    # Cross products of the columns: bitwise equal to `cross`, in half the time up to 512 rotations.
    crossed = rotation.take(_NEXT, -2) * target.take(_AFTER, -2)
    crossed -= rotation.take(_AFTER, -2) * target.take(_NEXT, -2)
    error: Floats = 0.5 * (crossed[..., 0] + crossed[..., 1] + crossed[..., 2])
    return error


def cross(a: Floats, b: Floats) -> Floats:
    """The cross products (..., 3) of `a` and `b`: bitwise equal to `np.cross`, in half the time."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(a[..., j], b[..., k], out=product[..., i])
        product[..., i] -= a[..., k] * b[..., j]
    return product


def _turn(axis: Floats, angle: float) -> Floats:
    """The rotation (3, 3) by `angle` in rad about `axis` (3,)."""
    quaternion = np.empty(4)
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    return _matrix(quaternion)


def _matrix(quaternion: Floats) -> Floats:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quaternion, np.float64))
    return matrix.reshape(3, 3)
