"""The model's own assessment of a plan: reward, value, uncertainty, and distance from the training data."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout


class DiscountConfig(config.Config, frozen=True, kw_only=True):
    """Discounting of later rewards.

    Attributes:
        discount: factor per step, in (0, 1]; multiplied by the model's output `continue`, if it has one.
    """

    discount: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is {self.discount}, wanted above 0 and at most 1")


class Reward:
    """The negated sum of discounted rewards, in the model's unit."""

    class Config(DiscountConfig, frozen=True, kw_only=True):
        """No options beyond the discount."""

    requires: frozenset[str] = frozenset({"output:reward"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        rewards = rollout.outputs["reward"]  # (N, H)
        now = _weights(rollout, rewards, self.config.discount)
        return -namespace(rewards).sum(now * rewards, axis=1)


class Value:
    """The negated, discounted value of the last step; used together with `reward`.

    Source: the terminal value of TD-MPC2 (Hansen et al. 2024) and MuZero (Schrittwieser et al. 2020).
    """

    class Config(DiscountConfig, frozen=True, kw_only=True):
        """No options beyond the discount, which must be that of `reward`."""

    requires: frozenset[str] = frozenset({"output:value"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        values = rollout.outputs["value"]  # (N, H)
        return -(_discounts(rollout, values, self.config.discount)[:, -1] * values[:, -1])


class Uncertainty:
    """The uncertainty that the model predicts, averaged over the steps, in the model's unit.

    Steps after the end of an episode, by the model's output `continue`, count less, or nothing.
    """

    class Config(DiscountConfig, frozen=True, kw_only=True):
        """No options beyond the discount, which is 1 by default: later steps count as much as early ones."""

        discount: float = 1.0

    requires: frozenset[str] = frozenset({"output:uncertainty"})

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        uncertainty = rollout.outputs["uncertainty"]  # (N, H)
        xp = namespace(uncertainty)
        if self.config.discount < 1 or "continue" in rollout.outputs:
            uncertainty = _weights(rollout, uncertainty, self.config.discount) * uncertainty
        return xp.mean(uncertainty, axis=1)


class Surprise:
    """How far the imagined latents are from the training distribution, averaged over the steps.

    For latents that were trained to be standard normal (SIGReg: Balestriero & LeCun 2025): the amount by
    which their mean square exceeds 1, its value in training. 0 is ordinary; 3 means twice the usual norm.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Which array is measured.

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


def _weights(rollout: Rollout, like: Array, discount: float) -> Array:
    """Discount factor of a quantity of step h, 1 for the first, (N, H)."""
    xp = namespace(like)
    after = _discounts(rollout, like, discount)
    return xp.concat([xp.ones_like(like[:, :1]), after[:, :-1]], axis=1)


def _discounts(rollout: Rollout, like: Array, discount: float) -> Array:
    """Discount factor of a quantity after step h, (N, H)."""
    xp = namespace(like)
    factors = discount * rollout.outputs.get("continue", xp.ones_like(like))
    return xp.cumulative_prod(factors, axis=1)
