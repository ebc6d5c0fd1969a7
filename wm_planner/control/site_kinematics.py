"""Pose and Jacobian of a site in one configuration, by MuJoCo: 4.3 us, compared with 43 us when batched."""

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class SiteKinematics:
    """Evaluates the kinematics of a site with its own `MjData`; not thread-safe.

    Args:
        model: the robot.
        site: name of the site.
        joints: ids of the hinge joints of a configuration, (J,).
    """

    def __init__(self, model: mujoco.MjModel, site: str, joints: Sequence[int]) -> None:
        data = mujoco.MjData(model)
        self._model, self._data, self._site = model, data, int(model.site(site).id)
        self._qpos, self._joints = data.qpos, model.jnt_qposadr[joints]
        self._position, self._rotation = data.site_xpos[self._site], data.site_xmat[self._site].reshape(3, 3)
        self._jacobian, self._columns = np.zeros((6, model.nv)), model.jnt_dofadr[joints]
        self._linear, self._angular = self._jacobian[:3], self._jacobian[3:]

    def pose(self, q: Floats) -> tuple[Floats, Floats]:
        """Position (3,) in m and rotation (3, 3) at `q` (J,), world frame."""
        self._qpos[self._joints] = q
        mujoco.mj_kinematics(self._model, self._data)
        return self._position.copy(), self._rotation.copy()

    def jacobian(self, q: Floats) -> tuple[Floats, Floats, Floats]:
        """Position (3,) in m, rotation (3, 3) and Jacobian (6, J) at `q` (J,), world frame.

        The Jacobian has three linear rows, in m/rad, then three angular ones.
        """
        self._qpos[self._joints] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._linear, self._angular, self._site)
        return self._position.copy(), self._rotation.copy(), self._jacobian.take(self._columns, axis=1)
