"""Sampling-based drivers: rule-based proposals, refined by CEM or MPPI over acceleration and steering.

As in PDM-Closed, the tracker follows every candidate before it is scored. PDM-Closed's own proposals are
among the candidates, so the selected one never scores less than PDM-Closed's choice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs import build_costs
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.driver_memory import DriverMemory
from wm_planner.driving.planners.pdm_closed import (
    EMERGENCY_HORIZON_S,
    EMERGENCY_MAX_SPEED,
    PDMClosed,
    braking_poses,
    track_proposals,
)
from wm_planner.driving.planners.proposal_scoring import ScoringContext
from wm_planner.driving.planners.proposals import generate_proposals
from wm_planner.driving.vehicle.bicycle_model import BicycleModel
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.planners import PLANNERS
from wm_planner.planners.action_space import ActionSpace
from wm_planner.planners.base import Plan
from wm_planner.planners.problem import Problem

Floats = NDArray[np.float64]

COSTS: tuple[dict[str, Any], ...] = (
    {"type": "driving_score", "weight": 10.0},
    {"type": "collision", "weight": 5.0},
    {"type": "drivable_area", "weight": 5.0},
    {"type": "driving_comfort", "weight": 1.0},
    {"type": "plan_consistency", "weight": 1.0},
    {"type": "progress", "weight": 1.0},
    {"type": "arrival", "weight": 0.2},
    {"type": "off_centre", "weight": 0.05},
)
"""Costs of the search: the score itself, and terms that are smooth where the score is not."""

_SEARCH: dict[str, Any] = {
    "horizon": 40,
    "samples": 32,
    "elites": 8,
    "iterations": 2,
    "init_std": 0.12,
    "min_std": 0.02,
    "knots": {"count": 6, "curve": "cubic"},
}

_MAX_LATERAL_ACCELERATION = 3.0  # m/s^2, limits the steering angle of the search
_ACCELERATION_RANGE = (-6.0, 2.4)  # m/s^2
_MIN_SPEED = 3.0  # m/s, below which the steering limit no longer grows


class CEMDriver:
    """Generates rule-based proposals, refines them by CEM, and selects the best one as it would be tracked.

    Args:
        extra: costs in addition to those of the config, such as the latent cost of a learned model. They
            count in the search and, times their weight, against the score in the selection.

    Attributes:
        searched: the last plan of the search; its evaluations include those of the selection.
        scored: the candidates of the last selection, PDM-Closed's fifteen first.
        chosen: index of the selected one.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Search and selection.

        Attributes:
            search: the planner, `{type: cem, ...}`; its horizon is that of the plans.
            costs: costs of the search.
            extra: costs that count in the selection as well.
            scoring: weights and thresholds of the selection's score.
            rules: PDM-Closed, whose proposals are among the candidates.
            seed: seeds the search, together with the step.
        """

        search: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "cem", **_SEARCH})
        costs: tuple[dict[str, Any], ...] = COSTS
        extra: tuple[dict[str, Any], ...] = ()
        scoring: ScoringContext.Config = ScoringContext.Config()
        rules: PDMClosed.Config = PDMClosed.Config()
        seed: config.Seed = 0

    def __init__(self, config: Config, extra: Sequence[WeightedCost] = ()) -> None:
        self.config = config
        self.search = PLANNERS.build(config.search, "driver: search")
        self.extra = (*build_costs(config.extra, "driver: extra"), *extra)
        self.costs = (*build_costs(config.costs, "driver: costs"), *self.extra)
        self.rules = PDMClosed(config.rules)
        self.memory = DriverMemory()
        self.searched = Plan(np.zeros((0, 2), np.float32), np.nan)

    @property
    def horizon(self) -> int:
        """Steps of a plan."""
        return int(self.search.horizon)

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3)."""
        self.memory.observe(view)
        context = ScoringContext(
            view,
            self.horizon,
            goal_tracker=self.memory.goal_tracker,
            previous_plans=self.memory.previous_plans(view),
            yaw_rates=self.memory.yaw_rates(view),
            ego_history=self.memory.history(),
            lane_following=self.memory.lane_following,
            config=self.config.scoring,
        )
        poses = self.propose(view, context)
        poses = np.concatenate([poses, self.refine(context, poses)[None]])
        states = track_proposals(view, poses, self.config.rules.tracker)
        scored = context.evaluate(states)
        best = int((scored.score - self.extra_cost(context, states)).argmax())
        self.scored, self.chosen = scored, best
        chosen = self.with_emergency_brake(
            view, poses[best], states[best], int(scored.pdm.collision_step[best])
        )
        self.memory.record(view, *chosen)
        return chosen[0]

    def propose(self, view: View, context: ScoringContext) -> Floats:
        """Rule-based proposals and the shifted previous plan, (N, H + 1, 3); those of PDM-Closed first."""
        rules = self.rules.proposals(view)
        more = generate_proposals(
            view, context.obstacles, context.goal_tracker, self.horizon, self.config.rules.idm
        )
        return np.concatenate([rules, more, *self.memory.shifted_plans()])

    def refine(self, context: ScoringContext, poses: Floats) -> Floats:
        """Poses (H + 1, 3) found by a search that is seeded with proposals (N, H + 1, 3)."""
        view = context.view
        model = bicycle_model(view)
        state = {"position": view.ego[:2], "heading": view.ego[2:3], "speed": np.maximum(view.ego[3:4], 0.0)}
        latent = model.encode(Observation({}, state))
        actions = actions_of(view, poses)
        plan = self.search.plan(
            Problem(model, latent, self.costs, Context(domain=context)),
            rng=np.random.default_rng([self.config.seed, view.step]),
            warm_start=actions[-1],
            proposals=actions[:-1],
            deadline=view.deadline,
        )
        self.searched = replace(plan, evaluations=plan.evaluations + len(poses) + 1)
        states = model.rollout(latent, plan.actions[None]).states
        poses = np.concatenate([states["position"][0], states["heading"][0]], axis=-1)
        return np.concatenate([view.ego[None, :3], poses])

    def extra_cost(self, scoring: ScoringContext, states: Floats) -> Floats:
        """Weighted sum of the extra costs of states (N, H + 1, 6), (N,)."""
        if not self.extra:
            return np.zeros(len(states))
        later = states[:, 1:]
        named = {"position": later[..., :2], "heading": later[..., 2:3], "speed": later[..., 3:4]}
        actions = np.stack([np.diff(states[..., SPEED]) / scoring.view.dt, later[..., STEERING]], axis=-1)
        context = Context(
            domain=scoring, action_scale=ActionSpace.of(bicycle_model(scoring.view).card.action).half_range
        )
        rollout = Rollout(named, named)
        terms = [c.weight * np.asarray(c.cost(rollout, actions, context)) for c in self.extra]
        return np.asarray(np.sum(terms, axis=0))

    def with_emergency_brake(
        self, view: View, poses: Floats, states: Floats, collision_step: int
    ) -> tuple[Floats, Floats]:
        """A plan and its states, replaced by an emergency brake if a collision at fault is imminent."""
        if not (collision_step * view.dt <= EMERGENCY_HORIZON_S and view.ego[SPEED] < EMERGENCY_MAX_SPEED):
            return poses, states
        brake = braking_poses(view, self.horizon, EMERGENCY_BRAKE)
        return brake, track_proposals(view, brake[None], self.config.rules.tracker)[0]


class MPPIDriver(CEMDriver):
    """Like CEMDriver, with MPPI as the search."""

    class Config(CEMDriver.Config, frozen=True, kw_only=True):
        """Search by MPPI, and selection."""

        search: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "mppi", **_SEARCH})


def actions_of(view: View, poses: Floats) -> NDArray[np.float32]:
    """Accelerations and steering angles (N, H, 2) that follow poses (N, H + 1, 3)."""
    reference = Tracker(Tracker.Config(), view.vehicle, view.dt).reference(poses)
    speed = np.concatenate([np.full_like(reference.speed[:1], view.ego[SPEED]), reference.speed[1:]])
    steering = np.arctan(view.vehicle.wheelbase_m * reference.curvature[:-1])
    return np.stack([np.diff(speed, axis=0) / view.dt, steering], axis=-1).swapaxes(0, 1).astype(np.float32)


def bicycle_model(view: View) -> BicycleModel:
    """A kinematic bicycle of the view's vehicle, whose steering limit depends on its speed."""
    speed = max(abs(float(view.ego[SPEED])), _MIN_SPEED)
    angle = float(np.arctan(view.vehicle.wheelbase_m * _MAX_LATERAL_ACCELERATION / speed**2))
    return BicycleModel(
        BicycleModel.Config(
            wheelbase_m=view.vehicle.wheelbase_m,
            control_dt_s=view.dt,
            acceleration=_ACCELERATION_RANGE,
            steering=min(angle + abs(float(view.ego[STEERING])), view.vehicle.max_steering),
        )
    )
