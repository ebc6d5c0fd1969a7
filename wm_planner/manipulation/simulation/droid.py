"""Scenes like those of DROID (Khazatsky et al. 2024): one fixed camera, poses of 7 numbers, their changes."""

from dataclasses import dataclass

import numpy as np

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Placement, SubGoal, Task
from wm_planner.control.pose_delta import PoseDelta
from wm_planner.manipulation.simulation.pick import Pick
from wm_planner.manipulation.simulation.reach import Reach
from wm_planner.world_models.physics.plant import Model

MAX_TURN = 0.2  # rad per action and axis
MAX_GRIP = 0.75  # share of the stroke per action, as in the planner of facebookresearch/vjepa2


@dataclass(frozen=True)
class DroidLift(Pick):
    """An arm grasps a block and lifts it, shown by pictures of three sub-goals.

    They are: the open hand just above the block, the hand closed on it, and the block lifted.

    Attributes:
        above: height of the open hand above the block in the first picture, in m.
        schedule: control steps for each sub-goal. Source: Assran et al. 2025 (V-JEPA 2-AC), sec. 4.3.
    """

    cameras: tuple[str, ...] = ("front",)
    image_size: tuple[int, int] = (256, 256)
    control_dt_s: float = 0.25
    max_delta: float = 0.05
    lift: float = 0.12
    above: float = 0.04
    schedule: tuple[int, int, int] = (10, 4, 4)

    @property
    def state(self) -> tuple[Quantity, ...]:
        joints = self.joint_count + len(self.fingers)
        return (
            Quantity(name="tcp_pose", size=7, unit="m, rad, share closed"),
            Quantity(name="joint_positions", size=joints, unit="rad, m"),
            Quantity(name=f"{self.block}_position", size=3, unit="m"),
        )

    @property
    def action(self) -> ActionSpec:
        high = (self.max_delta,) * 3 + (MAX_TURN,) * 3 + (MAX_GRIP,)
        return ActionSpec(
            names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "dgripper"),
            units=("m", "m", "m", "rad", "rad", "rad", "share closed"),
            low=tuple(-bound for bound in high),
            high=high,
        )

    def control(self, model: Model) -> PoseDelta:
        return PoseDelta.of(model, self.arm(model), self.fingers)

    def sample(self, rng: np.random.Generator) -> Task:
        block = self._block(rng)
        lifted = block + np.array([0.0, 0.0, self.lift])
        over = Placement(block + np.array([0.0, 0.0, self.above]), self._joints(self.opened, block))
        closed = Placement(block, self._joints(self.half, block))
        held = Placement(lifted, self._joints(self.half, lifted))
        before = SubGoal(over, self.schedule[0]), SubGoal(closed, self.schedule[1])
        return Task(self._above(block, rng), held, lifted, before, self.schedule[2])


@dataclass(frozen=True)
class DroidReach(DroidLift, Reach):
    """The same arm brings its open hand to a position; the block lies on the table."""

    point: str = "tcp"
    success_radius: float = 0.05

    def sample(self, rng: np.random.Generator) -> Task:
        block = self._block(rng)
        start, goal = self.ends(rng)
        fingers = self._joints(self.opened, block)
        return Task(Placement(start, fingers), Placement(goal, fingers), goal)
