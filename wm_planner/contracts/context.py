"""What a cost may read next to a rollout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent


@dataclass(frozen=True, slots=True)
class Context:
    """What a cost may read next to the rollout, fixed for one tick.

    Attributes:
        goal: goal values of physical quantities by name, (k,) each, as given by the user; never derived from
            a goal image.
        goal_latent: the encoded goal image, arrays (1, ...).
        last_action: the action executed last, (A,), card's units; None after a reset.
        previous_plan: the previous plan shifted to this tick, (H, A), or None.
        domain: one object of the domain's own class, such as the map, route and agents of a drive, or the
            objects in an arm's workspace; None where no cost reads one.
        action_scale: half the range of each action component, (A,), card's units; set by `Problem`.
    """

    goal: Mapping[str, Array] = field(default_factory=dict)
    goal_latent: Latent | None = None
    last_action: Array | None = None
    previous_plan: Array | None = None
    domain: Any = None
    action_scale: Array | None = None
