"""The history of a simulated drive: ego and agents at every step, for metrics and recordings."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.driving.vehicle.vehicle import Vehicle

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """T states of a drive, from its start on.

    Attributes:
        scenario: the scenario of the drive.
        vehicle: the ego vehicle.
        first_step: step of the scenario at the start.
        ego: states of the vehicle at its rear axle, (T, 6).
        agents: states of the agents, (A, T, 4), in the order of the scenario's tracks; NaN where absent.
    """

    scenario: Scenario
    vehicle: Vehicle
    first_step: int
    ego: Floats
    agents: Floats

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether agents are present, (A, T)."""
        return np.asarray(np.isfinite(self.agents[..., 0]))

    @property
    def poses(self) -> Floats:
        """States of the ego's box centre: x, y, yaw, v, (T, 4)."""
        return self.vehicle.at_centre(self.ego)[:, :4]

    def as_scenario(self) -> Scenario:
        """The drive as a recorded scenario with the same step numbers."""
        rows = np.flatnonzero(self.valid.any(axis=1))
        padding = [(0, 0), (self.first_step, 0), (0, 0)]
        states = np.pad(self.agents[rows], padding, constant_values=np.nan)
        tracks = self.scenario.tracks
        agents = Tracks(
            tuple(tracks.ids[row] for row in rows),
            tuple(tracks.kinds[row] for row in rows),
            tracks.sizes[rows],
            states,
            np.isfinite(states[..., 0]),
        )
        driven = np.pad(self.poses[None], padding, constant_values=np.nan)
        ego_id = self.scenario.problems[0].id if self.scenario.problems else 0
        size = self.vehicle.size[None]
        ego = Tracks((ego_id,), ("car",), size, driven, np.isfinite(driven[..., 0]))
        return replace(self.scenario, tracks=agents, ego=ego)
