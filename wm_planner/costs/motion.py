"""Costs on the motion itself: smoothness, effort, preferred actions and consistency between plans."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.errors import ShapeError


class ActionRate:
    """Mean squared change from one action to the next, in half ranges of the action box.

    Dimensionless: 4 is a jump from bound to bound at every step. The first change is relative to the action
    executed last, if there is one.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """No options beyond the weight."""

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
    """Mean square of the actions, in half ranges of the action box; dimensionless, 1 at symmetric bounds."""

    class Config(config.Config, frozen=True, kw_only=True):
        """No options beyond the weight."""

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        return _mean_square(actions, context)


class PreferredAction:
    """Mean squared deviation of some components from preferred values, in half ranges of the action box.

    A default for components that should only deviate for a reason, e.g. a gripper that stays open until
    closing it lowers the total cost.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The preferred values.

        Attributes:
            components: indices of the action components, from 0.
            values: one per component, in the card's units.
        """

        components: tuple[int, ...]
        values: tuple[float, ...]

        def __post_init__(self) -> None:
            if not 0 < len(self.components) == len(self.values) or min(self.components) < 0:
                raise ValueError(
                    f"components is {list(self.components)} and values {list(self.values)}, wanted "
                    "one value per component index, from 0"
                )

    requires: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        components = self.config.components
        if max(components) >= actions.shape[-1]:
            raise ShapeError(
                f"preferred_action names component {max(components)}, but actions have {actions.shape[-1]}: "
                "wanted component indices from 0"
            )
        xp = namespace(actions)
        chosen = xp.stack([actions[..., index] for index in components], axis=-1)  # (N, H, k)
        scale = match(context.action_scale, actions)
        scale = xp.stack([scale[index] for index in components])
        deviation = (chosen - match(self.config.values, chosen)) / scale
        return xp.mean(deviation * deviation, axis=(1, 2))


class Consistency:
    """Mean squared difference from the previous plan, in half ranges of the action box.

    Keeps a robot from alternating between plans of nearly equal cost. 0 if there is no previous plan.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """No options beyond the weight."""

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
