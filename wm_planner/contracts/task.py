"""Tasks: what episodes ask for, what a planner may know of their goals, and where they start."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.observation import Observation

GoalKind = Literal["picture", "state", "pose", "text", "none"]


@dataclass(frozen=True, slots=True)
class Goal(Observation):
    """What a planner may know of a goal; all of it empty if the task is to collect reward.

    Attributes:
        images: pictures of the goal, by camera.
        state: goal values of physical quantities by name, in the units of the environment.
        pose: x, y, z in m and a unit quaternion x, y, z, w, (7,); None for no pose.
        text: an instruction.
        steps: control steps for which it is pursued, 0 for no limit.
        before: goals to be pursued before this one, in order.
    """

    pose: NDArray[np.float64] | None = None
    text: str = ""
    steps: int = 0
    before: "tuple[Goal, ...]" = ()

    @property
    def kind(self) -> GoalKind:
        """The form of the goal; a goal in several forms has the first of `GoalKind`."""
        if self.images:
            return "picture"
        if self.state:
            return "state"
        if self.pose is not None:
            return "pose"
        return "text" if self.text else "none"


class Objective(Protocol):
    """What every episode of an environment asks for; read by nodes, benchmarks, collection and evaluation.

    Attributes:
        steps: control steps after which an episode ends; 0 for no limit of its own.
        has_reward: whether steps are rewarded.
    """

    @property
    def steps(self) -> int: ...
    @property
    def has_reward(self) -> bool: ...

    def success(self, state: Mapping[str, Any], goal: Observation) -> bool:
        """Whether a state of the environment solves the task."""
        ...

    def distance(self, state: Mapping[str, Any], goal: Observation) -> float:
        """Distance to the goal, in m; NaN for a task without one."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """An objective that the environment scores itself: quantities `success` and `distance` of its state.

    Attributes:
        steps: control steps after which an episode ends; 0 for no limit.
        has_reward: whether steps are rewarded.
    """

    steps: int = 0
    has_reward: bool = False

    def success(self, state: Mapping[str, Any], goal: Observation) -> bool:
        return bool(state.get("success", False))

    def distance(self, state: Mapping[str, Any], goal: Observation) -> float:
        return float(state.get("distance", math.nan))


@dataclass(frozen=True, slots=True)
class ReachState:
    """Bring a quantity to the value that the goal has for it.

    Attributes:
        quantity: name of the quantity in states and goals.
        radius: Euclidean distance that counts as reached, in the quantity's unit.
        is_position: whether that distance is in m.
        steps: control steps after which an episode ends; 0 for no limit.
    """

    quantity: str
    radius: float
    is_position: bool = False
    steps: int = 0
    has_reward: bool = False

    def success(self, state: Mapping[str, Any], goal: Observation) -> bool:
        return self._off(state, goal) <= self.radius

    def distance(self, state: Mapping[str, Any], goal: Observation) -> float:
        return self._off(state, goal) if self.is_position else math.nan

    def _off(self, state: Mapping[str, Any], goal: Observation) -> float:
        return float(np.linalg.norm(state[self.quantity] - goal.state[self.quantity]))


def objective_of(simulator: object) -> Objective:
    """The simulator's `objective`; one that scores itself without reward if it declares none."""
    objective: Objective = getattr(simulator, "objective", None) or Scored()
    return objective


def goal_of(simulator: object) -> Observation:
    """What a planner may know of the simulator's goal; an empty one if it declares none."""
    goal: Observation = getattr(simulator, "goal", None) or Goal({})
    return goal


@dataclass(frozen=True, slots=True)
class Placement:
    """A configuration of the robot and its scene, at rest.

    Attributes:
        tcp: position of the tool point, (3,) in m; None for a robot without one.
        joints: joint name to its generalised positions, in MuJoCo's order: for a free joint x, y, z in m and
            a unit quaternion, real part first. Joints that are not named keep the position of the MJCF.
    """

    tcp: NDArray[np.float64] | None = None
    joints: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class SubGoal(NamedTuple):
    """A configuration on the way to the goal of a task.

    Attributes:
        placement: shown in its picture.
        steps: control steps for which it is pursued.
    """

    placement: Placement
    steps: int


class Task(NamedTuple):
    """One episode of a MuJoCo scene: bring the scene's point to a position.

    Attributes:
        start: configuration at the start of the episode.
        goal: configuration shown in the goal image.
        position: where the scene's point must be, (3,) in m.
        before: sub-goals, in order.
        steps: control steps for the goal, after the sub-goals; 0 for no limit.
    """

    start: Placement
    goal: Placement
    position: NDArray[np.float64]
    before: tuple[SubGoal, ...] = ()
    steps: int = 0
