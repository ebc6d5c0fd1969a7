"""A cart on a rail swings up its hanging pole and balances it in the middle of the rail."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Placement, Task
from wm_planner.control.actuators import ActuatorTargets
from wm_planner.world_models.physics.plant import Model

UPRIGHT = (0.0, -0.08, 1.4)  # m, position of the pole's tip when upright: 0.6 m above the cart's axis
FORCE = 10.0  # N, too little to swing the pole up in one move


@dataclass(frozen=True)
class SwingUp:
    """The swing-up task.

    Attributes:
        spread: largest initial angle of the pole from straight down, in rad.
        reach: largest initial distance of the cart from the middle of the rail, in m.
        success_radius: distance of the tip from `UPRIGHT` that counts as success, in m.
    """

    model_file: Path
    spread: float = 0.3
    reach: float = 0.3
    success_radius: float = 0.1
    point: str = "tip"
    points: tuple[str, ...] = ("tip",)
    cameras: tuple[str, ...] = ("front",)
    image_size: tuple[int, int] = (64, 64)
    control_dt_s: float = 0.04

    @property
    def name(self) -> str:
        return self.model_file.stem

    @property
    def state(self) -> tuple[Quantity, ...]:
        return (
            Quantity(name="slider_position", size=1, unit="m"),
            Quantity(name="slider_velocity", size=1, unit="m/s"),
            Quantity(name="hinge_position", size=1, unit="rad"),
            Quantity(name="hinge_velocity", size=1, unit="rad/s"),
            Quantity(name="tip_position", size=3, unit="m"),
        )

    @property
    def action(self) -> ActionSpec:
        return ActionSpec(names=("slider",), units=("N",), low=(-FORCE,), high=(FORCE,))

    def control(self, model: Model) -> ActuatorTargets:
        return ActuatorTargets.of(model)

    def sample(self, rng: np.random.Generator) -> Task:
        cart, pole = rng.uniform(-self.reach, self.reach), np.pi + rng.uniform(-self.spread, self.spread)
        return Task(_at(cart, pole), _at(0.0, 0.0), np.array(UPRIGHT))

    def explore(self, rng: np.random.Generator) -> Placement:
        return _at(rng.uniform(-self.reach, self.reach), rng.uniform(-np.pi, np.pi))


def _at(cart: float, pole: float) -> Placement:
    """The configuration with the cart at `cart` m and the pole at `pole` rad from upright."""
    return Placement(joints={"slider": np.array([cart]), "hinge": np.array([pole])})


SCENE = SwingUp(model_file=Path(__file__).with_suffix(".xml"))
