"""How the robot moves: smoothly, with little effort, and as it planned to."""

from array_api_compat import array_namespace

from wm_planner import config
from wm_planner.costs.base import Array, Context, Rollout, match


class ActionRate:
    """Mean square of the change from one action to the next, in half ranges of the action box.

    No unit: 4 is a jump from bound to bound at every step. The first change is against the action executed
    last, where there is one.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        xp = array_namespace(actions)
        first = actions[:, :1, :]  # (N, 1, A)
        if context.last_action is not None:
            first = xp.zeros_like(first) + match(context.last_action, actions)
        before = xp.concat([first, actions[:, :-1, :]], axis=1)  # (N, H, A)
        return _mean_square(actions - before, context)


class Effort:
    """Mean square of the actions, in half ranges of the action box: no unit, 1 at the bounds of +-1."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        return _mean_square(actions, context)


class Consistency:
    """Mean square of what a plan changes in the plan before, in half ranges of the action box.

    It keeps a robot from wavering between plans of nearly the same cost; without a plan before it is 0.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        if context.previous_plan is None:
            return 0 * actions[:, 0, 0]
        return _mean_square(actions - match(context.previous_plan, actions), context)


def _mean_square(actions: Array, context: Context) -> Array:
    """(N, H, A) in the card's units to (N,) in squared half ranges."""
    xp = array_namespace(actions)
    scaled = actions / match(context.action_scale, actions)
    return xp.mean(scaled * scaled, axis=(1, 2))
