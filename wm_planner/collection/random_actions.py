"""Exploration of any simulator by smooth random actions."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import EnvironmentSpec, Simulator
from wm_planner.data.episodes import state_row

MEMORY = 0.9
"""Correlation of the random process from step to step; with 0.9 it turns round after about ten steps."""

SPREAD = 0.6
"""Standard deviation of the process over half the range of an action; a tenth of actions are at a bound."""


class RandomExplorer:
    """Explores a simulator with random actions within their bounds; see `collection.base.Explorer`.

    A simulator class sets `Explorer` to a class derived from this one, which names the recorded quantities.

    Attributes:
        state: the quantities of the observations that are recorded.
    """

    state: tuple[Quantity, ...]
    reason = "rejected"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    @property
    def environment(self) -> EnvironmentSpec:
        return self.simulator.scene

    def command(self, action: NDArray[np.float64], observation: Observation) -> NDArray[np.float64]:
        """The simulator's command for an action (A,); override it where the two differ."""
        return action

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed` with `steps` transitions."""
        scene, rng = self.environment, np.random.default_rng(seed)
        low, high = np.array(scene.action.low), np.array(scene.action.high)
        observation, noise = self.simulator.reset(seed), rng.standard_normal(len(low))
        images, states, actions = [], [], []
        for step in range(steps + 1):
            images.append(np.stack([observation.images[name] for name in scene.cameras]))
            states.append(state_row(observation.state, self.state))
            if step == steps:
                break
            action = low + (np.clip(SPREAD * noise, -1, 1) + 1) / 2 * (high - low)
            observation = self.simulator.step(self.command(action, observation)).observation
            actions.append(action)
            noise = MEMORY * noise + np.sqrt(1 - MEMORY**2) * rng.standard_normal(len(low))
        action_rows = np.stack([*actions, np.zeros_like(low)]).astype(np.float32)
        return Episode(np.stack(images), np.stack(states), action_rows)
