"""PDM-Closed: fifteen centreline-following proposals, tracked by the controller and ranked by PDM's score.

Source: Dauner et al. 2023 and tuplan_garage b51d5d0; differs in that all proposals are generated, tracked and
scored as one batch.
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
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.planners.base import Plan

Floats = NDArray[np.float64]

EMERGENCY_HORIZON_S, EMERGENCY_MAX_SPEED = 2.0, 5.0
"""An emergency is an expected collision at fault within this time [s], below this speed [m/s]."""


class PDMClosed:
    """Selects the proposal whose tracked trajectory has the best PDM score."""

    class Config(config.Config, frozen=True, kw_only=True):
        """The proposals.

        Attributes:
            offsets_m: lateral offsets from the path, positive to the left.
            speed_fractions: fractions of the path's target speed.
            idm: parameters of the IDM.
            horizon: steps of a plan.
            tracker: parameters of the tracker.
        """

        offsets_m: tuple[float, ...] = (0.0, 1.0, -1.0)
        speed_fractions: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
        idm: IDM = IDM(acceleration=1.5, braking=3.0, exponent=10.0, hardest_braking=EMERGENCY_BRAKE)
        horizon: config.Positive = 40
        tracker: Tracker.Config = Tracker.Config()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.searched = Plan(np.zeros((0, 3), np.float32), np.nan)

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3)."""
        proposals = self.proposals(view)
        scores = score_proposals(view, track_proposals(view, proposals, self.config.tracker))
        best = int(scores.score.argmax())
        self.searched = _searched(proposals, scores, best)
        if (
            scores.collision_step[best] * view.dt <= EMERGENCY_HORIZON_S
            and view.ego[SPEED] < EMERGENCY_MAX_SPEED
        ):
            return braking_poses(view, self.config.horizon, EMERGENCY_BRAKE)
        return np.asarray(proposals[best])

    def proposals(self, view: View) -> Floats:
        """Poses of the rear axle, (N, H + 1, 3)."""
        policies = IDMPolicies.grid(self.config.offsets_m, self.config.speed_fractions)
        s = follow_path(view, policies, self.config.idm, self.config.horizon)
        return poses_along_path(view, s, np.broadcast_to(policies.offset[:, None], s.shape))


def _searched(proposals: Floats, scores: PDM, best: int) -> Plan:
    """The selection as a search of one iteration; the cost is 1 minus the score."""
    return Plan(
        actions=proposals[best].astype(np.float32),
        cost=1.0 - float(scores.score[best]),
        terms={name: float(getattr(scores, name)[best]) for name in ("no_at_fault_collisions", *WEIGHTS)},
        iterations=1,
        evaluations=len(proposals),
    )


def track_proposals(view: View, proposals: Floats, config: Tracker.Config) -> Floats:
    """States (N, H + 1, 6) of the vehicle tracking proposals (N, H + 1, 3), the current state first."""
    states = Tracker(config, view.vehicle, view.dt).track(view.ego, proposals)
    now = np.broadcast_to(view.ego, (len(states), 1, states.shape[-1]))
    return np.concatenate([now, states], axis=1)


def score_proposals(view: View, states: Floats) -> PDM:
    """PDM's score of states (N, T, 6) of the rear axle, with agents predicted at constant velocity."""
    trajectories = EgoTrajectories(view.vehicle.at_centre(states), view.vehicle, view.dt)
    obstacles = view.forecast(trajectories.steps - 1 + int(TTC_STEPS[-1]))
    return pdm_score(trajectories, obstacles, view.drive.road_context)


def braking_poses(view: View, horizon: int, deceleration: float) -> Floats:
    """Poses (H + 1, 3) that brake to a standstill at the current steering angle."""
    times = view.dt * np.arange(horizon + 1)
    speed = max(float(view.ego[SPEED]), 0.0)
    braking_time = np.minimum(times, speed / deceleration)
    distance = speed * braking_time - 0.5 * deceleration * braking_time**2
    turn = distance * float(view.vehicle.yaw_rate(view.ego)) / max(speed, 1e-6)
    chord, yaw = distance * np.sinc(turn / (2 * np.pi)), view.ego[YAW] + turn / 2
    x, y = view.ego[0] + chord * np.cos(yaw), view.ego[1] + chord * np.sin(yaw)
    return np.stack([x, y, view.ego[YAW] + turn], axis=-1)
