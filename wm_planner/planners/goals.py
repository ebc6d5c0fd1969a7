"""A sequence of goals: pursue each one until it is reached or its time is up, then the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wm_planner import config
from wm_planner.clock import Deadline
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Latent
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.planners.problem import Problem


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal part of a context: a goal image's latent, physical quantities, or both.

    Attributes:
        latent: of the goal image, arrays (1, ...).
        state: goal values of physical quantities by name, (k,) each.
        steps: time limit in ticks; None to pursue the goal until it is reached.
    """

    latent: Latent | None = None
    state: Mapping[str, Array] = field(default_factory=dict)
    steps: int | None = None


class GoalSequence:
    """Plans for one goal after the other with a `RecedingHorizon`.

    When the goal changes, it replans at once, with the current plan as the warm start. Source: the
    pick-and-place of Assran et al. 2025 (V-JEPA 2-AC), sec. 4.3, which switches by time only, after 4, 10 and
    4 steps.

    Args:
        config: when a goal counts as reached, and when to give up.
        mpc: plans each tick; reset by the constructor.
        goals: in the order in which they are pursued.

    Attributes:
        index: of the current goal.
        stopped: the reason to stop, or None to continue. `tick` keeps planning for the last goal either way.

    Raises:
        ConfigError: without goals, for an unknown term, or if a goal before the last could never end.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """When to move on to the next goal, and when to stop.

        Attributes:
            term: name of the cost term that measures the distance to the goal, evaluated at the current
                latent; None for the first cost.
            reached: value of the term at or below which the goal counts as reached; None to switch by time
                only.
            patience: stop after this many ticks without an improvement of 1 %; None for no limit.
            max_ticks: stop after this many ticks; None for no limit.
        """

        term: str | None = None
        reached: float | None = None
        patience: int | None = None
        max_ticks: int | None = None

    def __init__(self, config: Config, mpc: RecedingHorizon, goals: Sequence[Goal]) -> None:
        names = [cost.name for cost in mpc.costs]
        self.term = config.term or names[0]
        if self.term not in names:
            raise ConfigError(f"goals: no cost is named '{self.term}', {did_you_mean(self.term, names)}")
        endless = [index for index, goal in enumerate(goals[:-1]) if goal.steps is None]
        if not goals or (endless and config.reached is None):
            raise ConfigError(
                f"goals: {len(goals)} goals, of which {endless} have no `steps`: wanted at least one goal, "
                "and either `reached` or `steps` for all but the last"
            )
        self.config = config
        self._mpc = mpc
        self._goals = tuple(goals)
        self.reset(episode_id=0)

    def reset(self, episode_id: int) -> None:
        """Start a new episode with the first goal."""
        self._mpc.reset(episode_id)
        self.index = 0
        self.stopped: str | None = None
        self._first_tick: int | None = None
        self._since = self._best_tick = 0
        self._best = float("inf")

    def tick(
        self,
        latent: Latent,
        context: Context,
        tick_index: int,
        deadline: Deadline | None = None,
        delay_s: float | None = None,
    ) -> Decision:
        """See `RecedingHorizon.tick`; the goal of `context` is replaced by the current one."""
        if self._first_tick is None:
            self._first_tick = self._since = self._best_tick = tick_index
        while self._is_over(latent, context, tick_index) and self.index + 1 < len(self._goals):
            self.index += 1
            self._since = self._best_tick = tick_index
            self._best = float("inf")
            self._mpc.interrupt()
        return self._mpc.tick(latent, self._with_goal(context), tick_index, deadline, delay_s)

    def _is_over(self, latent: Latent, context: Context, tick_index: int) -> bool:
        """Whether the current goal is reached or out of time; records the reason if it is time to stop."""
        config, goal = self.config, self._goals[self.index]
        distance = self._distance(latent, self._with_goal(context))
        if distance < 0.99 * self._best:
            self._best, self._best_tick = distance, tick_index
        reached = config.reached is not None and distance <= config.reached
        over = reached or (goal.steps is not None and tick_index - self._since >= goal.steps)
        if over and self.index + 1 == len(self._goals):
            self._stop("the last goal is reached" if reached else "the time for the last goal is up")
        elif config.patience is not None and tick_index - self._best_tick >= config.patience:
            self._stop(f"no progress for {config.patience} ticks, {self.term} is {distance:.3g}")
        elif config.max_ticks is not None and tick_index - (self._first_tick or 0) >= config.max_ticks:
            self._stop(f"the limit of {config.max_ticks} ticks is reached")
        return over

    def _stop(self, reason: str) -> None:
        self.stopped = self.stopped or reason

    def _distance(self, latent: Latent, context: Context) -> float:
        present = Problem(self._mpc.model, latent, self._mpc.costs, context).present()
        if self.term not in present:
            raise ConfigError(
                f"goals: term: '{self.term}' needs model outputs, which the current latent does not have, "
                f"{did_you_mean('', present)}"
            )
        return present[self.term]

    def _with_goal(self, context: Context) -> Context:
        goal = self._goals[self.index]
        return replace(context, goal=goal.state, goal_latent=goal.latent)
