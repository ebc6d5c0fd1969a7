"""A domain's part of the planner node: from messages to what is to be planned, and to a decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import Deadline, nanoseconds
from wm_planner.config import Config, Positive, Seed, convert
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.world_model import WorldModel
from wm_planner.costs import build_costs
from wm_planner.messaging import messages as m
from wm_planner.node import Facts, Node
from wm_planner.planners import PLANNERS
from wm_planner.planners.goals import GoalSequence
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.plugins import Registry
from wm_planner.world_models.onnx.execution import Device

TorchDevice = Literal["torch:cpu", "torch:cuda"]
TORCH = "torch:"

PLANNING_ADAPTERS = Registry(
    "planning adapter",
    {
        "latent": "wm_planner.bridges.latent_planning:LatentAdapter",
        "physics": "wm_planner.bridges.physics_planning:PhysicsAdapter",
    },
)


class PlanningConfig(Config, frozen=True, kw_only=True):
    """What the planner node is told of a search; an adapter refuses by name what it cannot use.

    Attributes:
        planner: `{type: icem, ...}`, or a driver such as `{type: pdm_closed}`.
        world_model: path of the bundle that imagines; empty where the domain has a model of its own.
        costs: `[{type: latent_goal, weight: 1.0}, ...]`.
        mpc: `{replan_every: 1, latency_steps: 0, proposals: elites, futures: {count: 4}}`; in realtime the
            latency is measured.
        seed: of all searches.
        device: of the world model; None leaves it to the adapter. On `torch:cpu` and `torch:cuda` torch takes
            the steps of the bundle instead of ONNX Runtime.
        threads: of one call of the world model; None leaves it to the adapter.
    """

    planner: dict[str, Any]
    world_model: str = ""
    costs: list[dict[str, Any]] = msgspec.field(default_factory=list)
    mpc: dict[str, Any] = msgspec.field(default_factory=dict)
    seed: Seed = 0
    device: Device | TorchDevice | None = None
    threads: Positive | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """The inputs of one plan are complete.

    Attributes:
        stamp_ns: of the observation that is planned from.
        origin_ns: when the oldest of the inputs was measured, by the node's clock.
        goal_id: of the goal that is planned for; a new one begins a new episode.
        inputs: the domain's own.
        last_action: carried out since the tick before, (A,); None if it is not known.
        episode_id: of /episode, 0 for none; a new one begins a new episode also for the same goal.
    """

    stamp_ns: int
    origin_ns: int
    goal_id: int
    inputs: Any
    last_action: NDArray[np.float32] | None = None
    episode_id: int = 0


class PlanningAdapter(Protocol):
    """Made from its own config and from a `PlanningConfig`, `planning`; see `LatentAdapter` for a model.

    Attributes:
        action: names and units of the columns of a plan.
        frame: the frame that a plan's actions are in, "" where they need none.
        control_dt_s: duration of a step of the plans to come, in s.
        execute_steps: steps of a plan that are executed before the next one is due.
        has_path: whether it offers a path for viewers.
        seed: of the searches.
    """

    @property
    def action(self) -> ActionSpec: ...
    @property
    def frame(self) -> str: ...
    @property
    def control_dt_s(self) -> float: ...
    @property
    def execute_steps(self) -> int: ...
    @property
    def has_path(self) -> bool: ...
    @property
    def seed(self) -> int: ...

    def warm_up(self) -> float:
        """Plan once for practice, so that no later plan compiles or loads anything; the seconds it took."""
        ...

    def listen(self, node: Node, on_tick: Callable[[Tick], None]) -> None:
        """Subscribe to the inputs, and call back whenever those of one plan are complete."""
        ...

    def decide(self, tick: Tick, deadline: Deadline | None, delay_s: float | None) -> Decision:
        """Plan; the decision it holds already where no new plan is due.

        Args:
            tick: what to plan from.
            deadline: when to decide with the best plan so far; None in lockstep.
            delay_s: from the observation until the plan's first action can be executed, where it is measured.
        """
        ...

    def path(self, decision: Decision, tick: Tick) -> m.Message:
        """Where the decision leads, for viewers; only with `has_path`."""
        ...


class SearchAdapter:
    """What adapters share that search over a world model.

    Attributes:
        pursuit: what plans each tick: `mpc`, or a sequence of goals over it.
    """

    frame = ""

    def __init__(self, model: WorldModel, mpc: RecedingHorizon, seed: int) -> None:
        self.model, self.mpc, self.seed = model, mpc, seed
        self.pursuit: RecedingHorizon | GoalSequence = mpc
        self._episode = 0, 0  # goal and episode
        self._started_ns = 0

    @property
    def action(self) -> ActionSpec:
        return self.model.card.action

    @property
    def control_dt_s(self) -> float:
        return self.model.card.control_dt_s

    @property
    def execute_steps(self) -> int:
        return self.mpc.config.replan_every

    def step_of(self, tick: Tick) -> int:
        """The control step of a tick in its episode, from 0; the first tick of one resets the search."""
        episode = tick.goal_id, tick.episode_id
        if episode != self._episode or tick.stamp_ns < self._started_ns:
            self._episode, self._started_ns = episode, tick.stamp_ns
            self.pursuit.reset(episode_id=tick.goal_id)  # a new goal or episode, or a clock that went back
        return round((tick.stamp_ns - self._started_ns) / nanoseconds(self.control_dt_s))


def search_parts(
    planning: PlanningConfig,
) -> tuple[RecedingHorizon.Config, Any, tuple[WeightedCost, ...]]:
    """The receding horizon, planner and costs of a search, the arguments of `RecedingHorizon`.

    Raises:
        ConfigError, PluginError: if one of them is unknown or set wrongly, with its place in the launch file.
    """
    return (
        convert(planning.mpc, RecedingHorizon.Config, "planner: params.mpc"),
        PLANNERS.build(planning.planner, "planner: params.planner"),
        build_costs(planning.costs, "planner: params.costs"),
    )


def build_adapter(spec: Mapping[str, Any], planning: PlanningConfig, where: str) -> PlanningAdapter:
    """The adapter `{type: ..., ...}`, with its world model and planner loaded.

    Raises:
        ConfigError, PluginError: if it is unknown, or cannot use what `planning` says.
    """
    adapter: PlanningAdapter = PLANNING_ADAPTERS.build(spec, where, planning=planning)
    return adapter


def adapter_facts(spec: Mapping[str, Any], planning: PlanningConfig, where: str) -> Facts:
    """What the adapter states of a run before it starts: its class method `facts`, if it has one.

    Raises:
        ConfigError, PluginError: if it is unknown, or cannot use what `planning` says.
    """
    cls, config = PLANNING_ADAPTERS.configure(spec, where)
    facts: Facts = cls.facts(config, planning) if hasattr(cls, "facts") else Facts()
    return facts


def check_adapter(spec: Mapping[str, Any], planning: PlanningConfig, where: str) -> None:
    """Refuse, before anything is loaded, what the adapter could not use.

    Raises:
        ConfigError, PluginError: if it is unknown, or cannot use what `planning` says.
    """
    cls, config = PLANNING_ADAPTERS.configure(spec, where)
    cls.check(config, planning)
