"""PDM-Closed: fifteen ways to follow the centre line, driven by a tracker, and the best by PDM's score.

Source: Dauner et al. 2023 and tuplan_garage b51d5d0. Differs in that all proposals are followed, driven and
scored at once.
"""

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.pdm import PDM, TTC_STEPS, WEIGHTS, pdm_score
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.following import IDMPolicies, follow_path, poses_along_path
from wm_planner.driving.traffic.car_following import IDM
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.planners.base import Plan

Floats = NDArray[np.float64]

EMERGENCY_BRAKE = 4.05
"""Braking in an emergency, in m/s^2: the most that is comfortable."""

EMERGENCY_HORIZON_S, EMERGENCY_MAX_SPEED = 2.0, 5.0
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
            tracker: tracks the proposals.
        """

        offsets: tuple[float, ...] = (0.0, 1.0, -1.0)
        shares: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
        idm: IDM = IDM(acceleration=1.5, braking=3.0, exponent=10.0, hardest_braking=EMERGENCY_BRAKE)
        horizon: config.Positive = 40
        tracker: Tracker.Config = Tracker.Config()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.searched = Plan(np.zeros((0, 3), np.float32), np.nan)

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3)."""
        proposals = self.proposals(view)
        found = score_proposals(view, track_proposals(view, proposals, self.config.tracker))
        best = int(found.score.argmax())
        self.searched = _searched(proposals, found, best)
        if (
            found.collision_step[best] * view.dt <= EMERGENCY_HORIZON_S
            and view.ego[SPEED] < EMERGENCY_MAX_SPEED
        ):
            return braking_poses(view, self.config.horizon, EMERGENCY_BRAKE)
        return np.asarray(proposals[best])

    def proposals(self, view: View) -> Floats:
        """Poses of the rear axle, (N, H + 1, 3)."""
        policies = IDMPolicies.grid(self.config.offsets, self.config.shares)
        s = follow_path(view, policies, self.config.idm, self.config.horizon)
        return poses_along_path(view, s, np.broadcast_to(policies.offset[:, None], s.shape))


def _searched(proposals: Floats, found: PDM, best: int) -> Plan:
    """How the best of the proposals was found: one round; its cost is what it lacks of the full score."""
    return Plan(
        actions=proposals[best].astype(np.float32),
        cost=1.0 - float(found.score[best]),
        terms={name: float(getattr(found, name)[best]) for name in ("no_at_fault_collisions", *WEIGHTS)},
        iterations=1,
        evaluations=len(proposals),
    )


def track_proposals(view: View, proposals: Floats, config: Tracker.Config) -> Floats:
    """States (N, H + 1, 6) of the vehicle tracking proposals (N, H + 1, 3), the current state first."""
    states = Tracker(config, view.vehicle, view.dt).track(view.ego, proposals)
    now = np.broadcast_to(view.ego, (len(states), 1, states.shape[-1]))
    return np.concatenate([now, states], axis=1)


def score_proposals(view: View, states: Floats) -> PDM:
    """PDM's score of states (N, T, 6) of the rear axle among others that keep their velocity."""
    trajectories = EgoTrajectories(view.vehicle.at_centre(states), view.vehicle, view.dt)
    return pdm_score(
        trajectories, view.forecast(trajectories.steps - 1 + int(TTC_STEPS[-1])), view.drive.road_context
    )


def braking_poses(view: View, horizon: int, deceleration: float) -> Floats:
    """Poses (H + 1, 3) that come to a standstill on the arc of the wheels now."""
    times = view.dt * np.arange(horizon + 1)
    speed = max(float(view.ego[SPEED]), 0.0)
    until = np.minimum(times, speed / deceleration)
    way = speed * until - 0.5 * deceleration * until**2
    turn = way * float(view.vehicle.yaw_rate(view.ego)) / max(speed, 1e-6)
    chord, yaw = way * np.sinc(turn / (2 * np.pi)), view.ego[YAW] + turn / 2
    x, y = view.ego[0] + chord * np.cos(yaw), view.ego[1] + chord * np.sin(yaw)
    return np.stack([x, y, view.ego[YAW] + turn], axis=-1)
