"""The base of all scenes of an arm above a table; each subclass adds a task."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Placement
from wm_planner.control.ee_delta import EndEffectorDelta, load_model
from wm_planner.control.kinematics import SerialChain
from wm_planner.errors import SimulationError
from wm_planner.world_models.physics.plant import Control, Model

Point = tuple[float, float, float]

TRIES = 10_000
"""Random draws after which a scene's conditions count as impossible."""


@dataclass(frozen=True)
class ArmScene:
    """A robot whose actions displace its tool point; all lengths in m.

    Attributes:
        model_file: path of the MJCF file.
        low, high: corners of the box that tool positions are sampled from.
        success_radius: distance up to which the point counts as at its goal.
        max_delta: largest displacement of the tool point along each axis per action.
        tool: the site that is the tool point.
        point: the site or body that the task brings to a goal.
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

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip(self.low, self.high, strict=True)):
            raise SimulationError(
                f"{self.name}: low is {self.low} and high {self.high}, wanted every low below its high"
            )

    @property
    def name(self) -> str:
        return self.model_file.stem

    @cached_property
    def joint_count(self) -> int:
        """Number of joints between the base and the tool point, from the MJCF file.

        Raises:
            SimulationError: if the file cannot be compiled, or has no such tool point.
        """
        return len(SerialChain.of(load_model(self.model_file), self.tool).names)

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.tool, self.point)))

    @property
    def state(self) -> tuple[Quantity, ...]:
        """The quantities that a data set records: `<name>_position` of a site or body, or of its robot."""
        tool = Quantity(name=f"{self.tool}_position", size=3, unit="m")
        joints = Quantity(name="joint_positions", size=self.joint_count, unit="rad")
        if self.point == self.tool:
            return tool, joints
        return tool, joints, Quantity(name=f"{self.point}_position", size=3, unit="m")

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
        """A random free tool position in the box, (3,)."""
        for _ in range(TRIES):
            position = rng.uniform(self.low, self.high)
            if self.free(position):
                return position
        raise SimulationError(
            f"{self.name}: none of {TRIES} positions in the box from {self.low} to {self.high} is free"
        )

    def free(self, position: NDArray[np.float64]) -> bool:
        """Whether the hand can be at `position`, (3,); scenes with obstacles override this."""
        return True


def upright(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joint positions (7,) of a free body at `position`, (3,) in m, without rotation."""
    return np.array([*position, 1.0, 0.0, 0.0, 0.0])
