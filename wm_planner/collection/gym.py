"""Exploration of Gymnasium environments by random actions."""

from wm_planner.collection.random_actions import RandomExplorer
from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED
from wm_planner.contracts.simulator import StepResult
from wm_planner.errors import SimulationError
from wm_planner.simulation.gym import GymSimulator
from wm_planner.simulation.gym_environment import GymConfig


class GymExplorer(RandomExplorer):
    """Records all signals of an environment, its rewards, and how episodes end."""

    signals = (REWARD, TERMINATED, TRUNCATED)

    Config = GymConfig

    def __init__(self, config: GymConfig) -> None:
        simulator = GymSimulator(config)
        self.state = simulator.quantities
        super().__init__(simulator)

    def check(self, result: StepResult, seed: int) -> None:
        """Refuse observations and rewards that are not finite."""
        if result.failure:
            raise SimulationError(
                f"{result.failure}, in the episode with seed {seed}: correct the environment"
            )
