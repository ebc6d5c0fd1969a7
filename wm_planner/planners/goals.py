"""Goals one after another: each until its time is over or it is reached; then it is said why to stop."""

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
    """What a goal puts into the context: a picture's latent, physical quantities, or both.

    Attributes:
        latent: of the goal picture, arrays (1, ...).
        state: physical quantities by name, (k,).
        steps: ticks that it is pursued for at most; None until it is reached.
    """

    latent: Latent | None = None
    state: Mapping[str, Array] = field(default_factory=dict)
    steps: int | None = None


class GoalSequence:
    """Drives a receding horizon from goal to goal.

    A change of goal keeps the plan under way as the next warm start and plans anew at once. Source: the
    pick-and-place of Assran et al. 2025 (V-JEPA 2-AC), sec. 4.3, goes by time alone, 4, 10 and 4 steps.

    Args:
        config: when a goal is reached, and when to give up.
        mpc: what plans; it is reset here.
        goals: in their order.

    Attributes:
        index: of the goal pursued.
        stopped: why there is nothing more to do, None while there is. Plans are made all the same, for the
            last goal.

    Raises:
        ConfigError: without goals, with a term that no cost has, or with a goal that never ends.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """When a goal is over.

        Attributes:
            term: that says how near a goal is, taken of the present, not of a plan; None is the first cost.
            reached: value of it at which the goal counts as reached; None goes by time alone.
            patience: ticks without a better value, by a hundredth, after which to stop; None waits forever.
            max_ticks: after which to stop; None goes on.
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
                f"goals: {len(goals)} goals, of which {endless} have no `steps`: wanted at least one, and "
                "`steps` for all but the last, or `reached`"
            )
        self.config = config
        self._mpc = mpc
        self._goals = tuple(goals)
        self.reset(episode_id=0)

    def reset(self, episode_id: int) -> None:
        """Begin with the first goal again."""
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
        """See `RecedingHorizon.tick`; the goal of `context` is filled in here."""
        if self._first_tick is None:
            self._first_tick = self._since = self._best_tick = tick_index
        while self._is_over(latent, context, tick_index) and self.index + 1 < len(self._goals):
            self.index += 1
            self._since = self._best_tick = tick_index
            self._best = float("inf")
            self._mpc.interrupt()
        return self._mpc.tick(latent, self._with_goal(context), tick_index, deadline, delay_s)

    def _is_over(self, latent: Latent, context: Context, tick_index: int) -> bool:
        """Whether the goal pursued is; notes why to stop if it is the last, or nothing gets better."""
        config, goal = self.config, self._goals[self.index]
        near = self._nearness(latent, self._with_goal(context))
        if near < 0.99 * self._best:
            self._best, self._best_tick = near, tick_index
        reached = config.reached is not None and near <= config.reached
        over = reached or (goal.steps is not None and tick_index - self._since >= goal.steps)
        if over and self.index + 1 == len(self._goals):
            self._stop("the last goal is reached" if reached else "the time of the last goal is over")
        elif config.patience is not None and tick_index - self._best_tick >= config.patience:
            self._stop(f"no progress for {config.patience} ticks, {self.term} is {near:.3g}")
        elif config.max_ticks is not None and tick_index - (self._first_tick or 0) >= config.max_ticks:
            self._stop(f"{config.max_ticks} ticks are over")
        return over

    def _stop(self, reason: str) -> None:
        self.stopped = self.stopped or reason

    def _nearness(self, latent: Latent, context: Context) -> float:
        present = Problem(self._mpc.model, latent, self._mpc.costs, context).present()
        if self.term not in present:
            raise ConfigError(
                f"goals: term: '{self.term}' is known of imagined steps alone, {did_you_mean('', present)}"
            )
        return present[self.term]

    def _with_goal(self, context: Context) -> Context:
        goal = self._goals[self.index]
        return replace(context, goal=goal.state, goal_latent=goal.latent)
