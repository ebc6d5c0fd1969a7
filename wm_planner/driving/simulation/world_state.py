"""The world of a traffic scenario after a step: ego, agents, and what has happened so far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.drive import Outcome
from wm_planner.driving.traffic.agents import TrafficState

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WorldState:
    """The world at the end of a step.

    Attributes:
        ego: state of the vehicle at its rear axle, (6,).
        agents: states of all agents.
        collided, off_road, arrived: events of this step.
        failed: whether the ego has collided or left the road so far.
        reached: whether it has arrived so far without having failed before.
    """

    ego: Floats
    agents: TrafficState
    collided: bool = False
    off_road: bool = False
    arrived: bool = False
    failed: bool = False
    reached: bool = False

    def next_state(self, ego: Floats, agents: TrafficState, outcome: Outcome) -> "WorldState":
        """The state after one step, given the outcome of that step alone."""
        collided, off_road, arrived = (bool(first[0] == 0) for first in outcome)
        failed = self.failed or collided or off_road
        reached = self.reached or (arrived and not failed)
        return WorldState(ego, agents, collided, off_road, arrived, failed, reached)
