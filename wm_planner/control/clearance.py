"""Distances of an arm from itself and from boxes that it must not enter, by MuJoCo's collision geometry."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np

from wm_planner.config import Config
from wm_planner.control.kinematics import Floats
from wm_planner.errors import ConfigError
from wm_planner.world_models.physics.drives import subtree

FAR_M = 0.05
"""Distances beyond this one are not told apart."""


class KeepOut(Config, frozen=True, kw_only=True):
    """A box that an arm must not enter, with edges along the axes of the base frame.

    Attributes:
        low, high: its corners, in m.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low is {list(self.low)} and high is {list(self.high)}, wanted low < high")


class Nearest(NamedTuple):
    """The two parts that are closest to each other.

    Attributes:
        distance: in m, negative where they overlap; FAR_M if nothing is closer.
        parts: names of their bodies; empty if nothing is closer than FAR_M.
    """

    distance: float
    parts: tuple[str, ...]


class Clearance:
    """Distances between the links of an arm, and between them and boxes.

    Links count that can collide in the robot's MJCF (`contype` or `conaffinity`). Pairs of links are ignored
    that are joined to each other, or that touch in the home posture, as drawn links often do.

    Args:
        spec: of the robot; changed by this call.
        joints: of the arm, in the order of postures.
        home: a posture without collisions, (J,).
        boxes: that no link may enter.

    Raises:
        ConfigError: if a box contains a part of the arm in the home posture.
    """

    def __init__(
        self, spec: mujoco.MjSpec, joints: Sequence[str], home: Floats, boxes: Sequence[KeepOut] = ()
    ) -> None:
        model = spec.compile()
        moved = _bodies_of(model, joints)
        for geom in spec.geoms:
            collides = bool(geom.contype or geom.conaffinity) and geom.parent.name in moved
            geom.contype = geom.conaffinity = int(collides)
            geom.margin, geom.gap = (FAR_M, 0.0) if collides else (0.0, 0.0)
        for number, box in enumerate(boxes):
            low, high = np.array(box.low), np.array(box.high)
            body = spec.worldbody.add_body(name=_box_name(number), pos=(low + high) / 2)
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, size=(high - low) / 2, contype=1, conaffinity=1, margin=FAR_M
            )
        self._load(spec, joints)
        for parts in self._pairs(home, 0.0):
            if any(part in map(_box_name, range(len(boxes))) for part in parts):
                raise ConfigError(f"{' and '.join(parts)} overlap in the home posture: move the box away")
            spec.add_exclude(bodyname1=parts[0], bodyname2=parts[1])
        self._load(spec, joints)

    @classmethod
    def of_file(
        cls, file: Path, joints: Sequence[str], home: Floats, boxes: Sequence[KeepOut] = ()
    ) -> "Clearance":
        """That of a robot's MJCF file, which MuJoCo can compile."""
        return cls(mujoco.MjSpec.from_file(str(file)), joints, home, boxes)

    def nearest(self, q: Floats) -> Nearest:
        """The parts that are closest to each other in posture `q` (J,)."""
        self._place(q)
        distances = self._data.contact.dist
        if not len(distances):
            return Nearest(FAR_M, ())
        closest = int(np.argmin(distances))
        return Nearest(float(distances[closest]), self._parts(closest))

    def distance(self, q: Floats) -> float:
        """Distance of the closest two parts in posture `q` (J,), in m; at most FAR_M."""
        self._place(q)
        distances = self._data.contact.dist
        return min(FAR_M, float(distances.min())) if len(distances) else FAR_M

    def _load(self, spec: mujoco.MjSpec, joints: Sequence[str]) -> None:
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        if self._model.nkey:
            mujoco.mj_resetDataKeyframe(self._model, self._data, 0)
        self._positions = [int(self._model.joint(name).qposadr[0]) for name in joints]

    def _place(self, q: Floats) -> None:
        self._data.qpos[self._positions] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_collision(self._model, self._data)

    def _pairs(self, q: Floats, distance: float) -> set[tuple[str, ...]]:
        """Pairs of parts that are closer than `distance` in posture `q`."""
        self._place(q)
        close = np.flatnonzero(self._data.contact.dist < distance)
        return {self._parts(int(number)) for number in close}

    def _parts(self, contact: int) -> tuple[str, ...]:
        geoms = self._data.contact.geom[contact]
        return tuple(self._model.body(self._model.geom_bodyid[geom]).name for geom in geoms)


def _bodies_of(model: mujoco.MjModel, joints: Sequence[str]) -> set[str]:
    """Names of the bodies that the joints move, and of the one that carries the first joint."""
    first = int(model.jnt_bodyid[model.joint(joints[0]).id])
    base = int(model.body_parentid[first])
    return {model.body(body).name for body in subtree(model, first) | ({base} if base else set())}


def _box_name(number: int) -> str:
    return f"keep_out[{number}]"
