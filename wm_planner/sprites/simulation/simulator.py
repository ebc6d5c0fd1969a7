"""One yard as a simulator."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.clock import nanoseconds
from wm_planner.config import Positive
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Objective, ReachState
from wm_planner.errors import ShapeError
from wm_planner.sprites.simulation.yard import (
    CONTROL_DT_S,
    REACHED_M,
    STEPS,
    Level,
    Yards,
    drawn,
    largest_action,
)

CAMERA = "above"


@dataclass(frozen=True)
class SpriteScene:
    """Description of a yard; see `EnvironmentSpec`."""

    name: str
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    control_dt_s: float
    action: ActionSpec
    state: tuple[Quantity, ...] = (
        Quantity(name="position", size=2, unit="m"),
        Quantity(name="velocity", size=2, unit="m/s"),
    )


@dataclass(frozen=True)
class State:
    """An episode so far."""

    yards: Yards
    steps: int
    elapsed_ns: int


class SpriteSimulator:
    """Simulates a yard: a disc is brought to a ring; see `contracts.simulator.Simulator`.

    Observations hold the picture `above`, in which the ring is visible, and `position` (2,) m and `velocity`
    (2,) m/s. The goal is the picture of the disc in the ring. The reward is the negated distance in m; the
    task is solved while the disc is within 8 cm of the centre of the ring.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Which yard.

        Attributes:
            level: `point`, where actions are displacements in m, or `glide`, where they are accelerations in
                m/s^2 and the velocity is not visible.
            size_px: height and width of the picture.
        """

        level: Level = "point"
        size_px: Positive = 32

    objective: Objective = ReachState("position", REACHED_M, is_position=True, steps=STEPS, has_reward=True)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.scene = self.environment(config)
        self.reset(0)

    @staticmethod
    def environment(config: Config) -> SpriteScene:
        """The description of a yard; see `bridges.simulators.facts`."""
        return SpriteScene(
            name=f"sprites_{config.level}",
            cameras=(CAMERA,),
            image_size=(config.size_px, config.size_px),
            control_dt_s=CONTROL_DT_S,
            action=action_spec(config.level),
        )

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`."""
        self.yards = Yards.sample(self.config.level, np.random.default_rng(seed))
        self._command, self._steps, self._elapsed_ns = np.zeros(2), 0, 0
        at_goal = drawn(self.yards.goal, self.yards.goal, self.config.size_px)[0]
        self.goal: Goal = Goal({CAMERA: at_goal})
        return self.observe()

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Apply an action (2,) for one control period.

        Raises:
            ShapeError: if it has another shape, or is not finite.
        """
        self.command(command)
        return self._step()

    def command(self, command: NDArray[np.float64]) -> None:
        """Apply an action from now on; for the errors see `step`."""
        values = np.asarray(command, np.float64)
        if values.shape != (2,) or not np.isfinite(values).all():
            raise ShapeError(f"the command is {values.tolist()}, wanted 2 finite numbers")
        self._command = values

    def advance(self, seconds: float) -> StepResult | None:
        """Move on under the last action; the yard moves in whole steps.

        Returns:
            The last step with the sum of the rewards; None if there was no step.
        """
        self._elapsed_ns += nanoseconds(seconds)
        result, reward = None, 0.0
        while self._elapsed_ns >= nanoseconds(CONTROL_DT_S):
            self._elapsed_ns -= nanoseconds(CONTROL_DT_S)
            result = self._step()
            reward += result.reward
        return None if result is None else replace(result, reward=reward)

    def observe(self) -> Observation:
        """The picture of the yard, and the state of the disc."""
        yards = self.yards
        state = {"position": yards.position[0], "velocity": yards.velocity[0]}
        picture = yards.pictures(self.config.size_px)[0]
        return Observation({CAMERA: picture}, state, self._steps * nanoseconds(CONTROL_DT_S))

    @property
    def goal_position(self) -> NDArray[np.float64]:
        """Centre of the ring, (3,) in m."""
        return np.array([*self.yards.goal[0], 0.0])

    @property
    def distance(self) -> float:
        """Distance of the disc from the centre of the ring, in m."""
        return self.objective.distance({"position": self.yards.position[0]}, self._truth)

    @property
    def reached(self) -> bool:
        """Whether the disc is in the ring now."""
        return self.objective.success({"position": self.yards.position[0]}, self._truth)

    def save(self) -> State:
        return State(replace(self.yards), self._steps, self._elapsed_ns)

    def load(self, state: Any) -> None:
        self.yards, self._steps, self._elapsed_ns = replace(state.yards), state.steps, state.elapsed_ns
        at_goal = drawn(self.yards.goal, self.yards.goal, self.config.size_px)[0]
        self.goal = Goal({CAMERA: at_goal})

    def close(self) -> None:
        """Does nothing: there are no resources to free."""

    @property
    def _truth(self) -> Goal:
        return Goal({}, {"position": self.yards.goal[0]})

    def _step(self) -> StepResult:
        reward = float(self.yards.step(self._command[None])[0])
        self._steps += 1
        return StepResult(
            self.observe(), self.reached, self.distance, reward=reward, truncated=self._steps >= STEPS
        )


def action_spec(level: Level) -> ActionSpec:
    """Names, units and bounds of an action."""
    limit = largest_action(level)
    names, units = (("dx", "dy"), ("m", "m")) if level == "point" else (("ax", "ay"), ("m/s^2", "m/s^2"))
    return ActionSpec(names=names, units=units, low=(-limit, -limit), high=(limit, limit))
