"""The Panda that comes with PyBullet: how it is loaded, and its kinematics."""

import math
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pybullet_data

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.errors import ShapeError
from wm_planner.manipulation.simulation.bullet_library import pybullet

MODEL_FILE = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"

JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGERS = ("panda_finger_joint1", "panda_finger_joint2")
TOOL = "panda_grasptarget"
HOME = (0.0, -0.5, 0.0, -2.3, 0.0, 1.8, -math.pi / 4)  # rad; tool down, broad side of the hand along x
OPENING_M = 0.02  # of each finger, held
WORKSPACE = (0.34, -0.30, 0.06), (0.70, 0.30, 0.42)  # low and high corner, m


class Panda:
    """The robot in a physics client, with its base at the origin and its fingers held.

    It is drawn with its collision meshes, which are coarse: a picture of 64 x 64 pixels takes 1.3 ms instead
    of 88 ms.

    Attributes:
        body: its id.
        joints: indices of the arm's joints, then of the fingers' joints.
        tool: index of the link whose origin is the tool point.
        low, high: limits of the arm's joints in rad, (7,).
        velocity_limits: of the arm's joints in rad/s, (7,).
        forces: largest torques in N m of the arm's joints, then forces in N of the fingers, (9,).
    """

    def __init__(self, client: int) -> None:
        self._client = client
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / MODEL_FILE.name
            text = MODEL_FILE.read_text(encoding="utf-8")
            text = text.replace("package://meshes/visual/", "package://meshes/collision/")
            file.write_text(text.replace("package://", f"{MODEL_FILE.parent}/"), encoding="utf-8")
            self.body = pybullet.loadURDF(str(file), useFixedBase=True, physicsClientId=client)
        count = pybullet.getNumJoints(self.body, physicsClientId=client)
        infos = [pybullet.getJointInfo(self.body, i, physicsClientId=client) for i in range(count)]
        by_joint = {info[1].decode(): info for info in infos}
        self.links = {info[12].decode(): info[0] for info in infos}
        moved = [by_joint[name] for name in (*JOINTS, *FINGERS)]
        self.joints = [info[0] for info in moved]
        self.tool = self.links[TOOL]
        arm = moved[: len(JOINTS)]
        self.low, self.high = np.array([info[8] for info in arm]), np.array([info[9] for info in arm])
        self.velocity_limits = np.array([info[11] for info in arm])
        self.forces = [info[10] for info in moved]

    def place(self, q: Floats) -> None:
        """Put the arm's joints at `q`, (7,) in rad, at rest."""
        for joint, position in zip(self.joints, (*q, OPENING_M, OPENING_M), strict=True):
            pybullet.resetJointState(self.body, joint, position, 0.0, physicsClientId=self._client)

    def tool_pose(self) -> tuple[Floats, Floats]:
        """Position (3,) in m and rotation (3, 3) of the tool point, world frame."""
        state = pybullet.getLinkState(
            self.body, self.tool, computeForwardKinematics=True, physicsClientId=self._client
        )
        rotation = np.reshape(pybullet.getMatrixFromQuaternion(state[1]), (3, 3))
        return np.array(state[0]), rotation


class PandaKinematics:
    """The kinematics of the tool point by PyBullet, in a physics client of its own.

    See `control.kinematics.Kinematics`; takes single configurations only.
    """

    names = JOINTS

    def __init__(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        weakref.finalize(self, pybullet.disconnect, self._client)
        self.robot = Panda(self._client)
        self.low, self.high = self.robot.low, self.robot.high

    def forward(self, q: Floats) -> tuple[Floats, Floats]:
        """Position (3,) in m and rotation (3, 3) of the tool point at `q`, (7,) in rad, base frame.

        Raises:
            ShapeError: for joint positions of another shape.
        """
        if q.shape != (len(JOINTS),):
            raise ShapeError(f"joint positions have shape {q.shape}, wanted ({len(JOINTS)},)")
        self.robot.place(q)
        return self.robot.tool_pose()

    def jacobian(self, q: Floats) -> tuple[Floats, Floats, Floats]:
        """Position, rotation and Jacobian (6, 7) at `q`, (7,) in rad, base frame.

        Raises:
            ShapeError: for joint positions of another shape.
        """
        position, rotation = self.forward(q)
        posture, still = [*q, OPENING_M, OPENING_M], [0.0] * len(self.robot.joints)
        rows = pybullet.calculateJacobian(
            self.robot.body,
            self.robot.tool,
            (0.0, 0.0, 0.0),
            posture,
            still,
            still,
            physicsClientId=self._client,
        )
        return position, rotation, np.concatenate(rows)[:, : len(JOINTS)]

    def control(self) -> EndEffectorDelta:
        """The inverse kinematics of actions that displace the tool point."""
        home = np.array(HOME)
        low, high = np.array(WORKSPACE)
        return EndEffectorDelta(
            chain=self,
            home=home,
            orientation=self.forward(home)[1],
            velocity_limits=self.robot.velocity_limits,
            low=low,
            high=high,
        )
