"""What all scenes of an arm above a table share; what their task is, each says itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.task import Placement
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.world_models.physics.plant import Control, Model

Point = tuple[float, float, float]


@dataclass(frozen=True)
class ArmScene:
    """A robot whose actions move its tool point; all lengths in m.

    Attributes:
        low, high: corners of the box that tool positions are drawn from.
        success_radius: how near the point counts as at its goal.
        max_delta: of the tool point along each axis, an action.
        tool: the site that is the tool point.
        point: site or body that the task brings to a goal.
    """

    model_file: Path
    low: Point
    high: Point
    success_radius: float = 0.05
    cameras: tuple[str, ...] = ("front", "side")
    image_size: tuple[int, int] = (64, 64)
    control_dt_s: float = 0.2
    max_delta: float = 0.05
    tool: str = "tcp"
    point: str = "tcp"

    @property
    def name(self) -> str:
        return self.model_file.stem

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.tool, self.point)))

    @property
    def action(self) -> ActionSpec:
        return ActionSpec(
            names=("dx", "dy", "dz"),
            units=("m", "m", "m"),
            low=(-self.max_delta,) * 3,
            high=(self.max_delta,) * 3,
        )

    def control(self, model: Model) -> Control:
        return EndEffectorDelta.of(model, self.tool)

    def explore(self, rng: np.random.Generator) -> Placement:
        return Placement(self.position(rng))

    def position(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A tool position (3,) from the box that is free."""
        while True:
            position = rng.uniform(self.low, self.high)
            if self.free(position):
                return position

    def free(self, position: NDArray[np.float64]) -> bool:
        """Whether the hand can be at `position`; a scene with obstacles says where not."""
        return True


def lying(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """The positions (7,) of the free joint of a body that lies at `position`, (3,) m, unturned."""
    return np.array([*position, 1.0, 0.0, 0.0, 0.0])
