"""The contract of a world model: encode observations, then imagine what actions lead to.

Axes: N candidates, H steps, A action components.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout


class WorldModel(Protocol):
    """Predicts the outcome of actions in latent space.

    Deterministic: all randomness is passed in as `noise`, the arrays that the card lists.
    """

    @property
    def card(self) -> Card: ...

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of one observation, arrays (1, ...).

        Args:
            observation: with the card's cameras and states, and any others. States that a `Goal` does not
                tell are taken as zeros.
            last_action: the action executed since the previous observation, (A,), card's units.
            memory: the latent of the previous tick; None after a reset.
            noise: arrays (1, ...) by the card's names; calm by default.

        Raises:
            ShapeError: for a camera or state that the model reads and was not given, a value that is not
                finite or outside of its bounds, and memory, an action or noise that it does not take.
        """
        ...

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latents (N, ...), except shared ones, and outputs (N,) after `action` (N, A), card's units.

        Args:
            noise: arrays (N, ...), or (1, ...) for all candidates, by the card's names; calm by
                default.
        """
        ...

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine the candidates `actions` (N, H, A), card's units.

        Args:
            latent: where they start: arrays (1, ...) for all candidates, or (N, ...) for one per candidate.
            actions: must not be modified.
            noise: arrays (N, H, ...), or (1, H, ...) for all candidates, by the card's names; calm by
                default.
        """
        ...


@runtime_checkable
class Differentiable(Protocol):
    """A world model with gradients of costs with respect to actions, such as `TorchWorldModel`."""

    def gradient(
        self, latent: Latent, actions: Array, objective: Callable[[Rollout, Array], Array]
    ) -> tuple[Rollout, NDArray[np.float32]]:
        """The rollout of `actions` (N, H, A), and the gradient (N, H, A) of the objective at them.

        Args:
            latent: arrays (1, ...).
            objective: maps a rollout and its actions to values (N,); written in the array API.
        """
        ...


@runtime_checkable
class Policy(Protocol):
    """A world model that also proposes actions; only if its card has a `policy`, see `policy_of`."""

    @property
    def card(self) -> Card: ...

    def act(self, latent: Latent, goal_latent: Latent | None = None) -> Array:
        """The mean actions (N, A), card's units, at latents (N, ...), or the logits (N, n) of n choices.

        Args:
            latent: where to act.
            goal_latent: the encoded goal, arrays (1, ...); needed if the card's policy has a `goal`.

        Raises:
            ConfigError: if there is no policy, or it needs a goal.
            ShapeError: for arrays whose shape disagrees with the card.
        """
        ...


@runtime_checkable
class Unrolling(Protocol):
    """A policy that can act on its own imagination in one call, which takes less time than step by step."""

    def unroll(
        self, latent: Latent, goal_latent: Latent | None, horizon: int
    ) -> tuple[Array, Rollout] | None:
        """The policy's actions (1, H, A), within their bounds, and their rollout with calm noise.

        Args:
            latent: where to start, arrays (1, ...).
            goal_latent: as in `Policy.act`.
            horizon: H.

        Returns:
            None if this policy can only be unrolled step by step.
        """
        ...


@runtime_checkable
class Scoring(Protocol):
    """A world model that computes costs where it imagines, so that its rollouts need not leave a device."""

    def terms(
        self, latent: Latent, actions: Array, costs: Sequence[WeightedCost], context: Context
    ) -> Mapping[str, NDArray[np.float64]] | None:
        """Unweighted terms by name, (N,) each, of the candidates `actions` (N, H, A) with calm noise.

        Args:
            latent: where they start, arrays (1, ...).
            actions: must not be modified.
            costs: the terms.
            context: what they read next to the rollout.

        Returns:
            None if these costs can only be computed on a rollout.
        """
        ...


def policy_of(model: WorldModel) -> Policy | None:
    """The policy of a world model; None if its card has none.

    Every plan asks for it, and `isinstance` takes 40 us for a protocol.
    """
    return cast(Policy, model) if model.card.policy is not None and hasattr(model, "act") else None


def scoring_of(model: WorldModel) -> Scoring | None:
    """The world model, if it computes costs where it imagines."""
    return cast(Scoring, model) if hasattr(model, "terms") else None


def unrolling_of(model: WorldModel) -> Unrolling | None:
    """The world model, if its policy can act on its own imagination in one call."""
    return cast(Unrolling, model) if hasattr(model, "unroll") else None
