"""The others on the road, step by step: as they were recorded, whatever the ego does.

Agents answer one question: where is everybody one step later, the ego being where it is? What they remember
is passed in and out, so that any moment can be kept and returned to. `reactive.py` has those who react.
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
    """All agents at one moment.

    Attributes:
        step: of the scenario.
        states: (A, 4), x, y, yaw, v of boxes' centres as in Tracks; NaN for those who are absent.
        memory: what the agents that made it keep; never changed, so that any moment can be returned to.
    """

    step: int
    states: Floats
    memory: Any = None


class TrafficAgents(Protocol):
    """Who is on the road, and how they go on.

    Attributes:
        tracks: the recording they come from; its ids, kinds and sizes are theirs.
    """

    @property
    def tracks(self) -> Tracks: ...

    def initial_state(self, step: int) -> TrafficState:
        """Everybody at the step at which the ego starts."""
        ...

    def next_state(self, state: TrafficState, ego: Floats) -> TrafficState:
        """Everybody one step after `now`; `ego` is the box (5,) and the speed of the ego now, (6,)."""
        ...


class ReplayAgents:
    """Agents that drive as recorded; before and after their recording they are absent."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to choose."""

    def __init__(self, config: Config, scenario: Scenario) -> None:
        self.tracks = scenario.tracks

    def initial_state(self, step: int) -> TrafficState:
        return TrafficState(step, self.tracks.at(step)[0])

    def next_state(self, state: TrafficState, ego: Floats) -> TrafficState:
        return self.initial_state(state.step + 1)
