"""PDM-Closed: fifteen ways to follow the centre line, driven by a tracker, and the best by PDM's score.

Source: Dauner et al. 2023 and tuplan_garage b51d5d0. Differs in that all proposals are followed, driven and
scored at once.
"""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.metrics.drives import Drives
from wm_planner.driving.metrics.pdm import LATER, PDM, pdm_score
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.following import Policies, along_path, followed
from wm_planner.driving.traffic.car_following import IDM
from wm_planner.driving.vehicle.tracker import Tracker

Floats = NDArray[np.float64]

HARDEST = 4.05
"""Braking in an emergency, in m/s^2: the most that is comfortable."""

SOON_S, SLOW = 2.0, 5.0
"""An emergency is a collision at fault within so many s, at less than so many m/s."""


class PDMClosed:
    """Chooses among proposals by the score of how they would be driven."""

    class Config(config.Config, frozen=True, kw_only=True):
        """The proposals.

        Attributes:
            offsets: to the left of the centre line, in m.
            shares: of the speed limit.
            idm: how others are followed.
            horizon: steps of a plan.
            tracker: drives the proposals.
        """

        offsets: tuple[float, ...] = (0.0, 1.0, -1.0)
        shares: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
        idm: IDM = IDM(acceleration=1.5, braking=3.0, exponent=10.0, hardest_braking=HARDEST)
        horizon: config.Positive = 40
        tracker: Tracker.Config = Tracker.Config()

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3)."""
        proposals = self.proposals(view)
        found = scored(view, driven(view, proposals, self.config.tracker))
        best = int(found.score.argmax())
        if found.collision_step[best] * view.dt <= SOON_S and view.ego[SPEED] < SLOW:
            return braking(view, self.config.horizon, HARDEST)
        return np.asarray(proposals[best])

    def proposals(self, view: View) -> Floats:
        """Poses of the rear axle, (N, H + 1, 3)."""
        policies = Policies.crossed(self.config.offsets, self.config.shares)
        s = followed(view, policies, self.config.idm, self.config.horizon)
        return along_path(view, s, np.broadcast_to(policies.offset[:, None], s.shape))


def driven(view: View, proposals: Floats, config: Tracker.Config) -> Floats:
    """The vehicle's states (N, H + 1, 6) as it drives proposals (N, H + 1, 3), the first of them now."""
    states = Tracker(config, view.vehicle, view.dt).track(view.ego, proposals)
    now = np.broadcast_to(view.ego, (len(states), 1, states.shape[-1]))
    return np.concatenate([now, states], axis=1)


def scored(view: View, states: Floats) -> PDM:
    """PDM's score of states (N, T, 6) of the rear axle among others that keep their velocity."""
    drives = Drives(view.vehicle.centred(states), view.vehicle, view.dt)
    return pdm_score(drives, view.forecast(drives.steps - 1 + int(LATER[-1])), view.drive.situation)


def braking(view: View, horizon: int, deceleration: float) -> Floats:
    """Poses (H + 1, 3) that come to a standstill on the arc of the wheels now."""
    times = view.dt * np.arange(horizon + 1)
    speed = max(float(view.ego[SPEED]), 0.0)
    until = np.minimum(times, speed / deceleration)
    way = speed * until - 0.5 * deceleration * until**2
    turn = way * float(view.vehicle.yaw_rate(view.ego)) / max(speed, 1e-6)
    chord, yaw = way * np.sinc(turn / (2 * np.pi)), view.ego[YAW] + turn / 2
    x, y = view.ego[0] + chord * np.cos(yaw), view.ego[1] + chord * np.sin(yaw)
    return np.stack([x, y, view.ego[YAW] + turn], axis=-1)
