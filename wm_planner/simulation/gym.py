"""Any Gymnasium environment as a simulator."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Objective, ReachState, Scored
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.simulation.gym_environment import (
    GymConfig,
    GymGoal,
    image_size,
    make,
    period_s,
    placed_errors,
    reset_camera,
    scaled,
    seed_global_generators,
)
from wm_planner.simulation.gym_observations import Observations, as_rgb, not_finite
from wm_planner.simulation.gym_spaces import Actions, actions_of, scalars
from wm_planner.simulation.gym_state import Snapshot, check_snapshots, observe, set_state

CAMERA = "render"
"""Camera of the pictures that `render()` returns."""

GOAL_SEEDS = 2**31
"""Seed of the goal of episode 0, which is apart from those of all starts."""


@dataclass(frozen=True)
class GymScene:
    """Description of an environment; see `EnvironmentSpec`."""

    name: str
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    control_dt_s: float
    action: ActionSpec
    state: tuple[Quantity, ...]


@dataclass(frozen=True)
class State:
    """An episode so far; see `GymSimulator.save`."""

    environment: Snapshot
    episode: Mapping[str, Any]


class GymSimulator:
    """Simulates a Gymnasium environment; see `contracts.simulator.Simulator`.

    Dict and Tuple observations become signals and pictures, named by their keys; an observation without keys
    is the signal `observation`, or, if it is a uint8 image, the camera `observation`. Texts become the text
    of the goal, and labels if `texts` lists them; `desired_goal` becomes the goal's state. An episode
    succeeds where the environment's info has a true `is_success` or `success`, or, with `goal`, where the
    goal's quantity is reached. It fails where a signal or the reward is not finite.

    Raises:
        SimulationError: if the environment cannot be made, its spaces cannot be used, or its own code fails,
            with the seed of the episode and the step.
    """

    Config = GymConfig

    @classmethod
    def check(cls, config: GymConfig) -> tuple[str, ...]:
        """Make the environment and close it again; see `bridges.simulators.check`."""
        cls.environment(config)
        return ()

    @classmethod
    def environment(cls, config: GymConfig) -> GymScene:
        """Make the environment, close it again and describe it; see `bridges.simulators.facts`."""
        simulator = cls(config)
        simulator.close()
        return simulator.scene

    def __init__(self, config: GymConfig) -> None:
        self.config = config
        self._env = make(config)
        self._observations, self._actions = self._spaces()
        self._snapshots_work = False
        self._told = self._truth = Goal({})
        self._episode = _Episode()
        self.objective: Objective = self._objective()
        control_dt_s = config.control_dt_s or period_s(self._env)
        self._period_ns = nanoseconds(control_dt_s)
        with self._placed(0):
            first = self._shown(self._reset(0))
        self.scene = GymScene(
            name=config.id,
            cameras=tuple(first.images),
            image_size=image_size(first.images, config.id),
            control_dt_s=control_dt_s,
            action=self._actions.spec,
            state=self.quantities,
        )

    def decode(self, command: NDArray[np.float64]) -> Any:
        """The environment's own action for a command (A,)."""
        return self._actions.decode(command)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The signals of an observation."""
        return tuple(self._observations.quantities[leaf.name] for leaf in self._observations.signals)

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`; with `goal`, after its goal has been visited."""
        with self._placed(seed):
            if self.config.goal is not None:
                self._truth = self._visit(self.config.goal, seed)
            observed = self._reset(seed)
            self._told = self._tell(observed)
            shown = self._shown(observed)
            if wrong := not_finite(shown.state, 0.0):
                raise SimulationError(wrong)
        return shown

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Apply a command for one step of the environment.

        Raises:
            ShapeError: if the command has another shape, or is not finite.
            SimulationError: if the episode is over, or the environment's own code fails.
        """
        self.command(command)
        return self._step()

    def command(self, command: NDArray[np.float64]) -> None:
        """Apply a command from now on."""
        self._episode.command = self._actions.check(command)

    def advance(self, seconds: float) -> StepResult | None:
        """Step under the last command; the environment moves in whole steps, up to the end of the episode.

        Returns:
            The last step with the sum of the rewards; None if there was no step.
        """
        episode, period_ns = self._episode, self._period_ns
        episode.elapsed_ns += nanoseconds(seconds)
        result, reward = None, 0.0
        while episode.elapsed_ns >= period_ns and not episode.is_over:
            episode.elapsed_ns -= period_ns
            result = self._step()
            reward += result.reward
        return result and replace(result, reward=reward)

    def observe(self) -> Observation:
        """The latest observation."""
        return self._shown(self._episode.observed)

    @property
    def goal(self) -> Goal:
        return self._told

    @property
    def goal_position(self) -> NDArray[np.float64]:
        """Empty: goals of environments are no positions in space."""
        return np.empty(0)

    @property
    def distance(self) -> float:
        return self.objective.distance(self._score(), self._truth)

    @property
    def reached(self) -> bool:
        return self.objective.success(self._score(), self._truth)

    def save(self) -> State:
        """The complete state.

        Raises:
            SimulationError: if copies of this environment do not continue as the original does.
        """
        if not self._snapshots_work:
            check_snapshots(lambda: make(self.config), self.config.id)
            self._snapshots_work = True
        episode = vars(self._episode) | {"told": self._told, "truth": self._truth}
        return State(Snapshot(self._env), dict(episode))

    def load(self, state: State) -> None:
        state.environment.restore(self._env)
        episode = dict(state.episode)
        self._told, self._truth = episode.pop("told"), episode.pop("truth")
        self._episode = _Episode(**episode)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _reset(self, seed: int) -> Any:
        seed_global_generators(seed)
        observed, info = self._env.reset(seed=seed)
        if self.config.render:
            reset_camera(self._env)
        self._episode = _Episode(seed, observed, _success(info), np.zeros(len(self._actions.spec.names)))
        return observed

    def _step(self) -> StepResult:
        episode = self._episode
        if episode.is_over:
            raise SimulationError(f"{self.config.id}: the episode is over: call reset before the next step")
        action = self._actions.decode(episode.command)
        episode.steps += 1
        with self._placed(episode.seed, episode.steps):
            observed, reward, terminated, truncated, info = self._env.step(action)
            shown = self._shown(observed)
        if wrong := not_finite(shown.state, reward):
            return self._failed(wrong)
        episode.observed, episode.success, episode.is_over = observed, _success(info), terminated or truncated
        state = self._score()
        return StepResult(
            shown,
            self.objective.success(state, self._truth),
            self.objective.distance(state, self._truth),
            scalars(info),
            float(reward),
            bool(terminated),
            bool(truncated),
        )

    def _failed(self, wrong: str) -> StepResult:
        """The end of an episode whose last step is not finite, with the observation before it."""
        episode = self._episode
        episode.success, episode.is_over = False, True
        return StepResult(
            self.observe(),
            False,
            self.distance,
            terminated=True,
            failure=f"{wrong} after step {episode.steps} of the environment {self.config.id}",
        )

    def _placed(self, seed: int, step: int = 0) -> AbstractContextManager[None]:
        """Says for errors in which step of which episode they occurred, 0 for its start."""
        return placed_errors(f"{self.config.id}: step {step} of the episode with seed {seed}")

    def _shown(self, observed: Any) -> Observation:
        images = self._observations.images(observed)
        if self.config.render:
            images[CAMERA] = as_rgb(self._env.render(), CAMERA)
        if self.config.size_px is not None:
            images = {name: scaled(picture, self.config.size_px) for name, picture in images.items()}
        return Observation(images, self._observations.states(observed), self._episode.steps * self._period_ns)

    def _score(self) -> dict[str, Any]:
        """What the objective reads."""
        if self.config.goal is None:
            return {"success": self._episode.success}
        return self._observations.states(self._episode.observed)

    def _tell(self, observed: Any) -> Goal:
        """What a planner may know of the goal of this episode."""
        if self.config.goal is None:
            return Goal({}, self._observations.told_goals(observed), text=self._observations.text(observed))
        return Goal(self._truth.images) if self._truth.images else self._truth

    def _visit(self, goal: GymGoal, seed: int) -> Goal:
        """Go to the goal of an episode, and look at it there."""
        rng, bounds = (
            np.random.default_rng([GOAL_SEEDS, seed]),
            (self._actions.spec.low, self._actions.spec.high),
        )
        observed, is_over = self._reset(GOAL_SEEDS + seed), False
        if goal.state:
            set_state(self._env, np.array(goal.state), self.config.id)
            observed = observe(self._env)
        for _ in range(0 if goal.state else goal.steps):
            if not is_over:
                action = self._actions.decode(rng.uniform(*bounds))
                observed, _, terminated, truncated, _ = self._env.step(action)
                is_over = terminated or truncated
        shown = self._shown(observed)
        return Goal(shown.images, {goal.quantity: shown.state[goal.quantity]})

    def _spaces(self) -> tuple[Observations, Actions]:
        given = self.config
        try:
            observations = Observations.of(self._env.observation_space, given.texts)
            settings = given.names, given.units, given.low, given.high
            actions = actions_of(self._env.action_space, *settings)
            if given.goal and given.goal.quantity not in observations.quantities:
                hint = did_you_mean(given.goal.quantity, observations.quantities)
                raise SimulationError(f"goal: there is no signal '{given.goal.quantity}', {hint}")
        except SimulationError as error:
            self._env.close()
            raise SimulationError(f"{given.id}: {error}") from None
        return observations, actions

    def _objective(self) -> Objective:
        spec, goal = self._env.spec, self.config.goal
        steps = (spec.max_episode_steps if spec else None) or 0
        if goal is None:
            return Scored(steps=steps, has_reward=True)
        return ReachState(goal.quantity, goal.radius, goal.is_position, steps, has_reward=True)


@dataclass
class _Episode:
    """The episode so far; `observed` is the last observation that is finite."""

    seed: int = 0
    observed: Any = None
    success: bool = False
    command: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    steps: int = 0
    elapsed_ns: int = 0
    is_over: bool = False


def _success(info: Mapping[str, Any]) -> bool:
    return bool(info.get("is_success", info.get("success", False)))
