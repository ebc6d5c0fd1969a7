"""Picking: an arm with a gripper grasps a block on the table and lifts it to a goal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Placement, Task
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.gripper import GripperDelta
from wm_planner.manipulation.simulation.arm_scene import ArmScene, upright
from wm_planner.world_models.physics.plant import Model


@dataclass(frozen=True)
class Pick(ArmScene):
    """A scene with a block on the table; the hand starts open, in the box of tool positions above it.

    Attributes:
        fingers: joints of the fingers that have an actuator.
        followers: joints of the fingers that move with those.
        opened: position of a finger when open, in m.
        block: the block's free joint.
        block_low, block_high: corners of the area where the block starts, x and y in m.
        half: half the edge length of the block, in m.
        lift: height of the goal above the start of the block, in m.
    """

    fingers: tuple[str, ...] = ("hand_left_finger", "hand_right_finger")
    followers: tuple[str, ...] = ()
    opened: float = 0.04
    point: str = "block"
    block: str = "block"
    block_low: tuple[float, float] = (0.46, -0.12)
    block_high: tuple[float, float] = (0.60, 0.12)
    half: float = 0.02
    lift: float = 0.15
    success_radius: float = 0.03
    control_dt_s: float = 0.1
    max_delta: float = 0.02

    @property
    def state(self) -> tuple[Quantity, ...]:
        tool, joints, block = super().state
        fingers = Quantity(name=joints.name, size=joints.size + len(self.fingers), unit="rad, m")
        return tool, fingers, block

    @property
    def action(self) -> ActionSpec:
        delta = super().action
        return ActionSpec(
            names=(*delta.names, "opening"),
            units=(*delta.units, "1"),
            low=(*delta.low, 0.0),
            high=(*delta.high, 1.0),
        )

    def control(self, model: Model) -> GripperDelta:
        return GripperDelta.of(model, self.arm(model), self.fingers)

    def arm(self, model: Model) -> EndEffectorDelta:
        """The part of the control that moves the tool point."""
        return EndEffectorDelta.of(model, self.tool)

    def sample(self, rng: np.random.Generator) -> Task:
        block = self._block(rng)
        goal = block + np.array([0.0, 0.0, self.lift])
        held = Placement(goal, self._joints(self.half, goal))
        return Task(self._above(block, rng), held, goal)

    def explore(self, rng: np.random.Generator) -> Placement:
        return self._above(self._block(rng), rng)

    def _block(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.array([*rng.uniform(self.block_low, self.block_high), self.half])

    def _above(self, block: NDArray[np.float64], rng: np.random.Generator) -> Placement:
        return Placement(self.position(rng), self._joints(self.opened, block))

    def _joints(self, finger: float, block: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        fingers = {name: np.array([finger]) for name in (*self.fingers, *self.followers)}
        return fingers | {self.block: upright(block)}
