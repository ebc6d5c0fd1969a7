"""What happened in a drive: the ego and everybody else, step by step, for metrics and recordings."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.driving.vehicle.vehicle import Vehicle

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """T moments of a drive, the first of them its start.

    Attributes:
        scenario: that was driven in.
        vehicle: the ego's.
        first: step of the scenario at the first moment.
        ego: (T, 6), states of the vehicle at its rear axle.
        agents: (A, T, 4), everybody else as in Tracks, by row of the scenario's tracks; NaN for the absent.
    """

    scenario: Scenario
    vehicle: Vehicle
    first: int
    ego: Floats
    agents: Floats

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which agents were there, (A, T)."""
        return np.asarray(np.isfinite(self.agents[..., 0]))

    @property
    def poses(self) -> Floats:
        """The centre of the ego's box: x, y, yaw, v, (T, 4)."""
        return self.vehicle.at_centre(self.ego)[:, :4]

    def as_scenario(self) -> Scenario:
        """The drive as if it had been recorded: its steps count as the scenario's do."""
        before, rows = self.first, np.flatnonzero(self.valid.any(axis=1))
        then = [(0, 0), (before, 0), (0, 0)]
        states = np.pad(self.agents[rows], then, constant_values=np.nan)
        tracks = self.scenario.tracks
        others = Tracks(
            tuple(tracks.ids[row] for row in rows),
            tuple(tracks.kinds[row] for row in rows),
            tracks.sizes[rows],
            states,
            np.isfinite(states[..., 0]),
        )
        driven = np.pad(self.poses[None], then, constant_values=np.nan)
        number = self.scenario.problems[0].id if self.scenario.problems else 0
        size = self.vehicle.size[None]
        ego = Tracks((number,), ("car",), size, driven, np.isfinite(driven[..., 0]))
        return replace(self.scenario, tracks=others, ego=ego)
