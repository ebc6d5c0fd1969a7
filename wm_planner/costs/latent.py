"""Reach the latent of a goal image."""

from collections.abc import Mapping

from array_api_compat import device

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.distance import DistanceConfig, goal_distance
from wm_planner.errors import ConfigError, did_you_mean


class LatentGoal:
    """Distance between an imagined latent array and the goal's, averaged over its elements.

    Source: the energy of Assran et al. 2025 (V-JEPA 2-AC), sec. 4.2, which is l1 at the last step; DINO-WM
    (Zhou et al. 2024) uses l2.
    """

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which array is compared, and how.

        Attributes:
            array: its name; None for the first array of the goal latent that is not a physical state (the
                states of a goal image are zeros, because an image has none).
            patches: indices of the tokens to compare, along the second-last axis, if only a part of the image
                matters; None for all.
        """

        array: str | None = None
        patches: tuple[int, ...] | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.patches == ():
                raise ValueError("patches is empty, wanted token indices; leave it out for all tokens")

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
                f"the goal latent is {type(goal).__name__}, wanted a mapping of names to arrays: "
                "pass what `encode` returned for the goal image"
            )
        array = self.config.array or next(
            (name for name in rollout.latents if name in goal and name not in rollout.states), ""
        )
        if array not in goal:
            raise ConfigError(
                f"the goal latent has no array '{array}', {did_you_mean(array, goal)}; "
                f"the model predicts {', '.join(rollout.latents)}: name one of them as the cost's `array`"
            )
        imagined, wanted = rollout.latents[array], goal[array]
        if self.config.patches is not None:
            imagined, wanted = (_select(values, array, self.config.patches) for values in (imagined, wanted))
        return goal_distance(imagined, wanted, self.config)


def _select(tokens: Array, name: str, patches: tuple[int, ...]) -> Array:
    """The tokens (..., P', D) of (..., P, D) at the indices `patches`."""
    if tokens.ndim < 3 or not all(0 <= index < tokens.shape[-2] for index in patches):
        raise ConfigError(
            f"patches is {list(patches)}, but latent '{name}' has shape {tuple(tokens.shape)}: wanted "
            "indices along the second-last axis; leave `patches` out for a latent without tokens"
        )
    xp = namespace(tokens)
    return xp.take(tokens, xp.asarray(patches, device=device(tokens)), axis=-2)
