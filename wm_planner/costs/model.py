"""What the model itself says of a plan: reward, value, doubt, and how unlike its training it is."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout


class DiscountConfig(config.Config, frozen=True, kw_only=True):
    """How later rewards count.

    Attributes:
        discount: factor a step, in (0, 1]. Where the model says `continue`, its probability counts too.
    """

    discount: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is {self.discount}, wanted above 0 and at most 1")


class Reward:
    """The discounted rewards of a plan, with the sign of a cost, in the model's unit."""

    class Config(DiscountConfig, frozen=True, kw_only=True):
        """The discount is all there is."""

    requires: frozenset[str] = frozenset({"output:reward"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        rewards = rollout.outputs["reward"]  # (N, H)
        xp = namespace(rewards)
        after = _discounts(rollout, rewards, self.config.discount)
        now = xp.concat([xp.ones_like(rewards[:, :1]), after[:, :-1]], axis=1)
        return -xp.sum(now * rewards, axis=1)


class Value:
    """The value of where a plan ends, discounted to now, with the sign of a cost; goes with `reward`.

    Source: the terminal value of TD-MPC2 (Hansen et al. 2024) and MuZero (Schrittwieser et al. 2020).
    """

    class Config(DiscountConfig, frozen=True, kw_only=True):
        """The discount is all there is; give both costs the same."""

    requires: frozenset[str] = frozenset({"output:value"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        values = rollout.outputs["value"]  # (N, H)
        return -(_discounts(rollout, values, self.config.discount)[:, -1] * values[:, -1])


class Uncertainty:
    """How much the model doubts what it imagines, the mean over the steps, in the model's unit."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to set: the weight of the term says all."""

    requires: frozenset[str] = frozenset({"output:uncertainty"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        doubts = rollout.outputs["uncertainty"]
        return namespace(doubts).mean(doubts, axis=1)


class Surprise:
    """How unlike anything in training the imagined latents are, the mean over steps and elements.

    For latents that were trained to be standard normal (SIGReg: Balestriero & LeCun 2025): their mean
    square, where it is above 1, which is what such latents have. 0 is as usual, 3 twice as far out.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Which array is looked at.

        Attributes:
            array: a latent of the rollout, e.g. tokens.
        """

        array: str

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"latent:{config.array}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        latent = rollout.latents[self.config.array]  # (N, H, ...)
        xp = namespace(latent)
        square = xp.mean(latent * latent, axis=tuple(range(2, latent.ndim)))  # (N, H)
        return xp.mean(xp.maximum(square - 1, xp.zeros_like(square)), axis=1)


def _discounts(rollout: Rollout, like: Array, discount: float) -> Array:
    """What a number of the time after step h counts for now, (N, H)."""
    xp = namespace(like)
    factors = discount * rollout.outputs.get("continue", xp.ones_like(like))
    return xp.cumulative_prod(factors, axis=1)
