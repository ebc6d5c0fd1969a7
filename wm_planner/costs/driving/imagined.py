"""Imagined trajectories as drives, for costs that are metrics of driving."""

from wm_planner.costs.base import Context, Rollout
from wm_planner.driving.prospect import Outlook, Prospect

REQUIRES = frozenset({"state:position", "state:heading", "state:speed", "context:traffic"})
"""What all costs of driving read: the rear axle's states, and what surrounds it."""


def imagined(rollout: Rollout, context: Context) -> Outlook:
    """The drives (N, H + 1) of a rollout, the first moment now, as the tick's prospect sees them."""
    prospect: Prospect = context.traffic
    return prospect.imagined(rollout.states)
