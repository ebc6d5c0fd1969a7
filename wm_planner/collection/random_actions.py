"""Exploration of any simulator by smooth random actions, or random choices."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wm_planner.collection.base import Act, Action
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Array, Episode, Signal
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import EnvironmentSpec, Simulator, StepResult
from wm_planner.contracts.task import goal_of
from wm_planner.data.episodes import state_row
from wm_planner.errors import SimulationError

MEMORY = 0.9
"""Correlation of the random process from step to step; with 0.9 it turns round after about ten steps."""

SPREAD = 0.6
"""Standard deviation of the process over half the range of an action; a tenth of actions are at a bound."""


class RandomExplorer:
    """Explores a simulator with random actions within their bounds; see `collection.base.Explorer`.

    A simulator class sets `Explorer` to a class derived from this one, which names the recorded quantities.
    An episode ends early where the simulator says that it is terminated or truncated.

    Attributes:
        state: the quantities of the observations that are recorded.
        signals: what of reward, terminated and truncated is recorded.
    """

    state: tuple[Quantity, ...]
    signals: tuple[Signal, ...] = ()
    reason = "rejected"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    @property
    def environment(self) -> EnvironmentSpec:
        return self.simulator.scene

    def command(self, action: NDArray[np.float64], observation: Observation) -> NDArray[np.float64]:
        """The simulator's command for an action (A,); override it where the two differ."""
        return action

    def check(self, result: StepResult, seed: int) -> None:
        """Refuse a step that cannot be recorded; override it where a failure of the simulator is a fault.

        Raises:
            SimulationError: naming the episode's seed.
        """

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed` with at most `steps` transitions."""
        actions = random_actions(self.environment.action, np.random.default_rng(seed))
        return self.play(seed, steps, lambda observation, goal: next(actions))

    def play(self, seed: int, steps: int, act: Act) -> Episode | None:
        """The episode of `seed` with the actions (A,) of `act`; see `collection.base.ActionsPlayer`."""
        scene = self.environment
        observation = self.simulator.reset(seed)
        goal, observations, actions, results = goal_of(self.simulator), [observation], [], []
        for _ in range(steps):
            action = act(observation, goal)
            if action is None:
                break
            result = self.simulator.step(self.command(action, observation))
            self.check(result, seed)
            observation = result.observation
            observations.append(observation)
            actions.append(action)
            results.append(result)
            if result.is_over:
                break
        if not actions:
            return None
        return Episode(
            images=np.stack([_pictures(scene, each) for each in observations]),
            state=np.stack([state_row(o.state, self.state) for o in observations]),
            action=np.stack([*actions, np.zeros_like(actions[0])]).astype(np.float32),
            signals={signal.name: _column(signal, results) for signal in self.signals},
        )


def random_actions(action: ActionSpec, rng: np.random.Generator) -> Iterator[Action]:
    """Endless actions (A,) of a smooth random process, or independent random choices.

    Raises:
        SimulationError: for a component without bounds.
    """
    if action.unbounded:
        raise SimulationError(
            f"random actions lie between bounds, and {', '.join(action.unbounded)} has none: give finite "
            "`low` and `high` of the action"
        )
    low, high = np.array(action.low), np.array(action.high)
    noise = rng.standard_normal(len(low))
    while True:
        if action.choices:
            yield rng.integers(action.choices, size=1).astype(np.float64)
        else:
            yield low + (np.clip(SPREAD * noise, -1, 1) + 1) / 2 * (high - low)
        noise = MEMORY * noise + np.sqrt(1 - MEMORY**2) * rng.standard_normal(len(low))


def _pictures(scene: EnvironmentSpec, observation: Observation) -> NDArray[np.uint8]:
    """The pictures of all cameras, (cameras, H, W, 3); without cameras, (0, H, W, 3).

    Raises:
        SimulationError: if one has another size than was declared.
    """
    pictures = [observation.images[name] for name in scene.cameras]
    for name, picture in zip(scene.cameras, pictures, strict=True):
        if picture.shape != (*scene.image_size, 3):
            raise SimulationError(
                f"the picture of camera '{name}' is {picture.shape}, the simulator declares "
                f"{(*scene.image_size, 3)}: pictures of a data set have one size"
            )
    return np.stack(pictures) if pictures else np.empty((0, *scene.image_size, 3), np.uint8)


def _column(signal: Signal, results: list[StepResult]) -> Array:
    """The values of a signal, (T,): one per step, and 0 in the last frame.

    Raises:
        ValueError: if it is not one that a simulator returns.
    """
    if signal not in (REWARD, TERMINATED, TRUNCATED):
        raise ValueError(f"a simulator returns no '{signal.name}', only reward, terminated and truncated")
    return np.array([*(getattr(result, signal.name) for result in results), 0], signal.dtype)
