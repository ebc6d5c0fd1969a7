"""What a cost may read next to a rollout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent


@dataclass(frozen=True, slots=True)
class Context:
    """What a cost may read beside the rollout, bound for one tick.

    Attributes:
        goal: physical goal quantities by name, (k,), where the user gave some (never from a goal picture).
        goal_latent: the encoded goal picture, (1, ...).
        last_action: the action executed last, (A,), card's units, or None after a reset.
        previous_plan: the plan of the last tick shifted to this one, (H, A), or None.
        objects: name to array, tracks with forecasts.
        traffic: a driver's `Prospect` (driving/planners/proposal_scoring.py), or None off the road.
        action_scale: half the range of each action component, (A,), card's units; the problem sets it.
    """

    goal: Mapping[str, Array] = field(default_factory=dict)
    goal_latent: Latent | None = None
    last_action: Array | None = None
    previous_plan: Array | None = None
    objects: Mapping[str, Array] = field(default_factory=dict)
    traffic: Any = None
    action_scale: Array | None = None
