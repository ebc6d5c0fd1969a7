"""How the robot moves: smoothly, with little effort, and as it planned to."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.errors import ShapeError


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
        xp = namespace(actions)
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


class PreferredAction:
    """Mean square of how far some components are from a value, in half ranges of the action box.

    What they should be unless there is reason, as a gripper that is open until closing it pays.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """What is preferred.

        Attributes:
            components: of the action, counted from 0.
            values: one a component, in the card's units.
        """

        components: tuple[int, ...]
        values: tuple[float, ...]

        def __post_init__(self) -> None:
            if not 0 < len(self.components) == len(self.values) or min(self.components) < 0:
                raise ValueError(
                    f"components is {list(self.components)} and values {list(self.values)}, wanted "
                    "a value for each component, counted from 0"
                )

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        components = self.config.components
        if max(components) >= actions.shape[-1]:
            raise ShapeError(
                f"preferred_action names component {max(components)}, actions have {actions.shape[-1]}: "
                "wanted components counted from 0"
            )
        xp = namespace(actions)
        chosen = xp.stack([actions[..., index] for index in components], axis=-1)  # (N, H, k)
        scale = match(context.action_scale, actions)
        scale = xp.stack([scale[index] for index in components])
        away = (chosen - match(self.config.values, chosen)) / scale
        return xp.mean(away * away, axis=(1, 2))


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
    xp = namespace(actions)
    scaled = actions / match(context.action_scale, actions)
    return xp.mean(scaled * scaled, axis=(1, 2))
