"""Hypotheses on how pictures, poses and actions differ from what a model expects, and what undoes them.

A hypothesis says what is wrong with the axes, the gripper and the picture. It maps what was measured to what
the model expects, so that the right hypothesis is the one under which the model predicts best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.pose import euler_from_matrix, matrix_from_euler
from wm_planner.control.tool_action import ToolAction
from wm_planner.evaluation.camera_check.picture_changes import PICTURES, UNCHANGED, PictureChange

Floats = NDArray[np.float64]

POSITION, POSE = "tcp_position", "tcp_pose"
"""States that are told in the axes: (3,) in m, and (7,) as in `control.pose`."""


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """Base axes that differ from the model's.

    Attributes:
        fault: what is wrong; empty for the model's own axes.
        cure: what to do about it.
        matrix: (3, 3), from a vector in the measured axes to the same vector in the model's.
    """

    fault: str
    cure: str
    matrix: Floats

    @property
    def inverse(self) -> "Axes":
        """The axes from which these lead back to the model's."""
        return replace(self, matrix=self.matrix.T)


OWN_AXES = Axes("", "", np.eye(3))


def yawed(degrees: int) -> Axes:
    """Base axes that are turned by an angle about z, counter-clockwise seen from above."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    side = "counter-clockwise" if degrees > 0 else "clockwise"
    return Axes(
        f"the base axes are turned by {degrees} degrees about z against the camera",
        f"turn positions, orientations and actions by {degrees} degrees about z, or move the camera by "
        f"{abs(degrees)} degrees {side} around the workspace, seen from above",
        np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]),
    )


def mirrored(*axes: int) -> Axes:
    """Base axes of which some (0 for x, 1 for y, 2 for z) point the other way."""
    names = " and ".join("xyz"[axis] for axis in axes)
    turned = f", as if turned by 180 degrees about {'xyz'[3 - sum(axes)]}" if len(axes) == 2 else ""
    signs = np.ones(3)
    signs[list(axes)] = -1.0
    verb = "axes point" if len(axes) > 1 else "axis points"
    return Axes(
        f"the {names} {verb} the other way{turned}",
        f"negate {names} of positions and actions, and turn orientations with them",
        np.diag(signs),
    )


def swapped(first: int, second: int) -> Axes:
    """Base axes of which two are exchanged."""
    order = [0, 1, 2]
    order[first], order[second] = second, first
    names = f"{'xyz'[first]} and {'xyz'[second]}"
    return Axes(
        f"{names} are exchanged",
        f"exchange {names} of positions and actions, and turn orientations with them",
        np.eye(3)[order],
    )


YAWS = {angle: yawed(angle) for angle in (*range(30, 181, 30), *range(-150, 0, 30))}
"""By angle in degrees; that of 180 degrees is also x and y pointing the other way."""

MIRRORS = tuple(mirrored(axis) for axis in range(3))
AXES = (
    OWN_AXES,
    *YAWS.values(),
    *MIRRORS,
    mirrored(1, 2),
    mirrored(0, 2),
    swapped(0, 1),
    swapped(0, 2),
    swapped(1, 2),
)
"""The axes that are tried."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What may be wrong; nothing by default."""

    axes: Axes = OWN_AXES
    swaps_gripper: bool = False
    picture: PictureChange = UNCHANGED

    @property
    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        gripper = "the gripper counts the other way" if self.swaps_gripper else ""
        return "; ".join(filter(None, (self.axes.fault, gripper, self.picture.fault)))

    @property
    def cure(self) -> str:
        """What to do about it; empty if nothing is wrong."""
        gripper = (
            "send one minus its position, and change the sign of its action" if self.swaps_gripper else ""
        )
        return "; ".join(filter(None, (self.axes.cure, gripper, self.picture.cure)))

    def action(self, measured: NDArray[np.floating], kind: ToolAction) -> Floats:
        """The action (A,) in the model's terms of one that was measured."""
        matrix, parts = self.axes.matrix, [self.axes.matrix @ measured[:3]]
        rotation = kind.matrix(measured.astype(np.float64))
        if rotation is not None:  # of the same turn in the other axes
            parts.append(kind.angles(matrix @ rotation @ matrix.T))
        gripper = measured[kind.arm_size :]
        if self.swaps_gripper:
            gripper = 1.0 - gripper if kind.gripper == "opening" else -gripper
        return np.concatenate([*parts, gripper])

    def state(self, measured: Mapping[str, NDArray[np.floating]]) -> dict[str, Floats]:
        """Position and pose in the model's terms; other states as they are."""
        told = {name: np.asarray(values, np.float64) for name, values in measured.items()}
        if POSITION in told:
            told[POSITION] = self.axes.matrix @ told[POSITION]
        if POSE in told:
            told[POSE] = self._pose(told[POSE])
        return told

    def _pose(self, pose: Floats) -> Floats:
        """A pose (7,); the hand is taken to be symmetric where axes are mirrored."""
        matrix = self.axes.matrix
        hand = np.diag([1.0, np.sign(np.linalg.det(matrix)), 1.0])
        angles = euler_from_matrix(matrix @ matrix_from_euler(pose[3:6]) @ hand)
        gripper = 1.0 - pose[6:] if self.swaps_gripper else pose[6:]
        return np.concatenate([matrix @ pose[:3], angles, gripper])


EXPECTED = Hypothesis()
"""Everything is as the model expects."""


def hypotheses(kind: ToolAction, axes: Sequence[Axes] = AXES) -> list[Hypothesis]:
    """What is tried: all axes, with the gripper both ways if there is one, and changes of the picture."""
    grippers = (False, True) if kind.has_gripper else (False,)
    moved = [Hypothesis(each, swaps) for swaps, each in product(grippers, axes)]
    return moved + [Hypothesis(picture=change) for change in PICTURES]
