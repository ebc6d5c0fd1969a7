"""Traffic agents and how they move; `reactive.py` has agents that react to the ego.

Agents map one traffic state and the ego's box to the next traffic state. Their memory is part of the state,
so that a simulation can return to any earlier state.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.plugins import Registry

Floats = NDArray[np.float64]

AGENTS = Registry("traffic agents")


@dataclass(frozen=True, eq=False)
class TrafficState:
    """The traffic at one step.

    Attributes:
        step: of the scenario.
        states: x, y, yaw, v of the agents' box centres as in Tracks, (A, 4); NaN where absent.
        memory: internal state of the agents, never modified in place.
    """

    step: int
    states: Floats
    memory: Any = None


class TrafficAgents(Protocol):
    """Traffic agents and how they move.

    Attributes:
        tracks: the recording they are based on, with their ids, kinds and sizes.
    """

    @property
    def tracks(self) -> Tracks: ...

    def initial_state(self, step: int) -> TrafficState:
        """The traffic at `step`, at which the ego starts."""
        ...

    def next_state(self, state: TrafficState, ego: Floats) -> TrafficState:
        """The traffic one step after `state`.

        Args:
            state: at the current step.
            ego: box (5,) and speed of the ego at the current step, (6,).
        """
        ...


class ReplayAgents:
    """Agents that replay their recording; they are absent before its start and after its end."""

    class Config(config.Config, frozen=True, kw_only=True):
        """No parameters."""

    def __init__(self, config: Config, scenario: Scenario) -> None:
        self.tracks = scenario.tracks

    def initial_state(self, step: int) -> TrafficState:
        return TrafficState(step, self.tracks.at(step)[0])

    def next_state(self, state: TrafficState, ego: Floats) -> TrafficState:
        return self.initial_state(state.step + 1)
