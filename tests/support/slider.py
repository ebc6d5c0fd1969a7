"""A mass on a rail that is rewarded for being at its centre: a simulator without cameras, for tests."""

from dataclasses import dataclass, field

import numpy as np

from wm_planner.collection import RandomExplorer
from wm_planner.config import Config
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.dataset import REWARD, TERMINATED
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import StepResult

FORCE = ActionSpec(names=("force",), units=("N",), low=(-2.0,), high=(1.0,))  # not symmetric on purpose


@dataclass(frozen=True)
class Rail:
    """Description of the rail."""

    name: str = "slider"
    cameras: tuple[str, ...] = ()
    image_size: tuple[int, int] = (0, 0)
    control_dt_s: float = 0.1
    action: ActionSpec = field(default=FORCE)


class SliderExplorer(RandomExplorer):
    """Records position and velocity."""

    state = (Quantity(name="position", size=1, unit="m"), Quantity(name="velocity", size=1, unit="m/s"))
    signals = (REWARD, TERMINATED)


class Slider:
    """The mass; the episode is terminated where it leaves the rail."""

    Explorer = SliderExplorer
    scene = Rail()

    class Config(Config, frozen=True, kw_only=True):
        """How long the rail is.

        Attributes:
            reach: distance from the centre to its ends, in m.
        """

        reach: float = 1.0

    def __init__(self, config: Config) -> None:
        self.reach = config.reach

    def reset(self, seed: int) -> Observation:
        self.position, self.velocity = np.random.default_rng(seed).uniform(-0.3, 0.3, size=2)
        return self.observe()

    def step(self, command: np.ndarray) -> StepResult:
        self.velocity += 0.1 * float(command[0])
        self.position += 0.1 * self.velocity
        return StepResult(
            self.observe(),
            success=False,
            reward=-(self.position**2),
            terminated=abs(self.position) > self.reach,
        )

    def observe(self) -> Observation:
        return Observation({}, {"position": np.array([self.position]), "velocity": np.array([self.velocity])})


class Silent(Slider):
    """The same without rewards in its data."""

    class Explorer(SliderExplorer):
        signals = ()
