"""PyBullet's side of its simulator: the physics of a Panda at a table, and the pictures of two cameras."""

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError
from wm_planner.manipulation.simulation.bullet_library import pybullet
from wm_planner.manipulation.simulation.bullet_panda import JOINTS, OPENING_M, Panda

TIMESTEP_S = 0.004
GRAVITY = -9.81  # m/s2
STIFFNESS = 0.5  # share of a position error that motors remove per time step; with 0.1 they lag by 7 mrad

TABLE_HALF, TABLE_AT = (0.45, 0.6, 0.02), (0.45, 0.0, -0.02)  # half extents and centre, m
WOOD, WHITE, DARK, ORANGE = (
    (0.55, 0.42, 0.3, 1),
    (0.92, 0.92, 0.94, 1),
    (0.25, 0.26, 0.3, 1),
    (1, 0.45, 0.05, 1),
)
COLOURS = {"panda_hand": DARK, "panda_leftfinger": ORANGE, "panda_rightfinger": ORANGE}  # others are white

CAMERAS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "front": ((1.55, 0.0, 0.75), (0.0, 1.0, 0.0), (-0.43, 0.0, 0.9)),
        "side": ((0.5, -1.0, 0.85), (1.0, 0.0, 0.0), (0.0, 0.51, 0.86)),
    }
)
"""Position in m, and direction of the picture's right and upper side; those of sim/assets/tabletop.xml."""

FIELD_OF_VIEW_DEG = 44.0
NEAR_M, FAR_M = 0.05, 10.0
TO_LIGHT = (0.0, -0.3, 1.0)


@dataclass(frozen=True, eq=False)
class SavedWorld:
    """A state that PyBullet keeps in a world; forgotten there with this object."""

    client: int
    number: int

    def __post_init__(self) -> None:
        weakref.finalize(self, _forget, self.client, self.number)


class World:
    """The Panda at its table in a physics client of its own; PyBullet's software renderer draws it.

    Args:
        image_size: height and width of a picture, in pixels.
    """

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._height, self._width = image_size
        self._client = pybullet.connect(pybullet.DIRECT)
        self.close = weakref.finalize(self, pybullet.disconnect, self._client)
        pybullet.setTimeStep(TIMESTEP_S, physicsClientId=self._client)
        pybullet.setGravity(0, 0, GRAVITY, physicsClientId=self._client)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, physicsClientId=self._client)
        self._robot = Panda(self._client)
        self._table = self._make_table()
        for link, index in {"base": -1, **self._robot.links}.items():
            colour = COLOURS.get(link, WHITE)
            pybullet.changeVisualShape(
                self._robot.body, index, rgbaColor=colour, physicsClientId=self._client
            )
        self._views = {name: _view(*pose) for name, pose in CAMERAS.items()}
        self._projection = pybullet.computeProjectionMatrixFOV(
            FIELD_OF_VIEW_DEG, self._width / self._height, NEAR_M, FAR_M
        )
        self._empty = self.save()  # without contacts, whose impulses would outlive a change of posture

    def place(self, q: Floats) -> None:
        """Put the arm at `q`, (7,) in rad, at rest, whatever happened before."""
        self.load(self._empty)
        self._robot.place(q)

    def step(self, targets: Floats) -> bool:
        """Advance by a time step with the motors' targets at `targets`, (7,) in rad.

        Returns:
            Whether the robot touches the table.
        """
        robot = self._robot
        pybullet.setJointMotorControlArray(
            robot.body,
            robot.joints,
            pybullet.POSITION_CONTROL,
            targetPositions=[*targets, OPENING_M, OPENING_M],
            forces=robot.forces,
            positionGains=[STIFFNESS] * len(robot.joints),
            velocityGains=[1.0] * len(robot.joints),
            physicsClientId=self._client,
        )
        pybullet.stepSimulation(physicsClientId=self._client)
        return bool(pybullet.getContactPoints(robot.body, self._table, physicsClientId=self._client))

    def joints(self) -> tuple[Floats, Floats]:
        """Positions in rad and velocities in rad/s of the arm's joints, (7,) each."""
        arm = self._robot.joints[: len(JOINTS)]
        states = pybullet.getJointStates(self._robot.body, arm, physicsClientId=self._client)
        return np.array([state[0] for state in states]), np.array([state[1] for state in states])

    def tool(self) -> Floats:
        """Position of the tool point, (3,) in m."""
        return self._robot.tool_pose()[0]

    def pictures(self, cameras: Iterable[str]) -> dict[str, NDArray[np.uint8]]:
        """What the named cameras see, (height, width, 3) each."""
        return {name: self._picture(self._views[name]) for name in cameras}

    def save(self) -> SavedWorld:
        """The complete state of the physics."""
        return SavedWorld(self._client, pybullet.saveState(physicsClientId=self._client))

    def load(self, saved: SavedWorld) -> None:
        """Restore a state that `save` returned.

        Raises:
            SimulationError: if it was saved in another world.
        """
        if saved.client != self._client:
            raise SimulationError(
                "a state of PyBullet was saved in another simulator: it can be loaded only where it was saved"
            )
        pybullet.restoreState(saved.number, physicsClientId=self._client)

    def _make_table(self) -> int:
        box = {"halfExtents": TABLE_HALF, "physicsClientId": self._client}
        solid = pybullet.createCollisionShape(pybullet.GEOM_BOX, **box)
        drawn = pybullet.createVisualShape(pybullet.GEOM_BOX, rgbaColor=WOOD, **box)
        table: int = pybullet.createMultiBody(0, solid, drawn, TABLE_AT, physicsClientId=self._client)
        return table

    def _picture(self, view: tuple[float, ...]) -> NDArray[np.uint8]:
        pixels = pybullet.getCameraImage(
            self._width,
            self._height,
            view,
            self._projection,
            lightDirection=TO_LIGHT,
            shadow=0,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )[2]
        rgba = np.asarray(pixels, np.uint8).reshape(self._height, self._width, 4)
        return np.ascontiguousarray(rgba[..., :3])


def _view(position: tuple[float, ...], right: tuple[float, ...], up: tuple[float, ...]) -> tuple[float, ...]:
    """The view matrix of a camera, as PyBullet takes it."""
    ahead = np.cross(up, right)
    view: tuple[float, ...] = pybullet.computeViewMatrix(position, list(np.add(position, ahead)), up)
    return view


def _forget(client: int, number: int) -> None:
    if pybullet.isConnected(client):
        pybullet.removeState(number, physicsClientId=client)
