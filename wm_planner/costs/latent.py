"""Reach the latent of a goal picture."""

from collections.abc import Mapping

from array_api_compat import device

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.distance import DistanceConfig, goal_distance
from wm_planner.errors import ConfigError, did_you_mean


class LatentGoal:
    """Distance between an imagined latent and the goal's, averaged over the elements of the array.

    Source: the energy of Assran et al. 2025 (V-JEPA 2-AC), sec. 4.2, metric l1 at the last step;
    l2 is DINO-WM's (Zhou et al. 2024).
    """

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which array is compared, and how.

        Attributes:
            array: its name; None takes the first the goal's latent also has that is no physical state
                (a goal picture shows no state, so its states are zeros).
            patches: the tokens that count, by their places along the axis before the last, where only a part
                of the picture matters; None takes all.
        """

        array: str | None = None
        patches: tuple[int, ...] | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.patches == ():
                raise ValueError("patches is empty, wanted places of tokens; leave it out for all")

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def requires(self) -> frozenset[str]:
        array = self.config.array
        return frozenset({"context:goal_latent"} | ({f"latent:{array}"} if array else set()))

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        goal = {} if context.goal_latent is None else context.goal_latent
        if not isinstance(goal, Mapping):
            raise ConfigError(
                f"the goal's latent is {type(goal).__name__}, wanted a mapping of names to arrays: "
                "give what `encode` returned for the goal picture"
            )
        array = self.config.array or next(
            (name for name in rollout.latents if name in goal and name not in rollout.states), ""
        )
        if array not in goal:
            raise ConfigError(
                f"the goal's latent has no array '{array}' to compare, {did_you_mean(array, goal)}; "
                f"the model imagines {', '.join(rollout.latents)}: name one as the cost's `array`"
            )
        imagined, wanted = rollout.latents[array], goal[array]
        if self.config.patches is not None:
            imagined, wanted = (_picked(values, array, self.config.patches) for values in (imagined, wanted))
        return goal_distance(imagined, wanted, self.config)


def _picked(tokens: Array, name: str, patches: tuple[int, ...]) -> Array:
    """The tokens (..., P', D) of (..., P, D) at the places `patches`."""
    if tokens.ndim < 3 or not all(0 <= place < tokens.shape[-2] for place in patches):
        raise ConfigError(
            f"patches {list(patches)} of latent '{name}', which has shape {tuple(tokens.shape)}: wanted "
            "places along the axis before the last; leave `patches` out for a latent without tokens"
        )
    xp = namespace(tokens)
    return xp.take(tokens, xp.asarray(patches, device=device(tokens)), axis=-2)
