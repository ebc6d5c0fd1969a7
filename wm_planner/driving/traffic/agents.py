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

AGENTS = Registry(
    "kind of agents",
    {
        "replay": "wm_planner.driving.traffic.agents:Replay",
        "idm": "wm_planner.driving.traffic.reactive:Reactive",
    },
)


@dataclass(frozen=True, eq=False)
class Everybody:
    """All agents at one moment.

    Attributes:
        step: of the scenario.
        states: (A, 4), x, y, yaw, v of boxes' centres as in Tracks; NaN for those who are absent.
        memory: what the agents that made it keep; never changed, so that any moment can be returned to.
    """

    step: int
    states: Floats
    memory: Any = None


class Agents(Protocol):
    """Who is on the road, and how they go on.

    Attributes:
        tracks: the recording they come from; its ids, kinds and sizes are theirs.
    """

    @property
    def tracks(self) -> Tracks: ...

    def begin(self, step: int) -> Everybody:
        """Everybody at the step at which the ego starts."""
        ...

    def after(self, now: Everybody, ego: Floats) -> Everybody:
        """Everybody one step after `now`; `ego` is the box (5,) and the speed of the ego now, (6,)."""
        ...


class Replay:
    """Agents that drive as recorded; before and after their recording they are absent."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing to choose."""

    def __init__(self, config: Config, scenario: Scenario) -> None:
        self.tracks = scenario.tracks

    def begin(self, step: int) -> Everybody:
        return Everybody(step, self.tracks.at(step)[0])

    def after(self, now: Everybody, ego: Floats) -> Everybody:
        return self.begin(now.step + 1)
