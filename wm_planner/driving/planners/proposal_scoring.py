"""Scoring of driving proposals: PDM's score, extended with goals, comfort, red lights and plan consistency.

A proposal that breaks one of PDM's rules scores 0. The others are ranked by PDM's score and NAVSIM's extended
comfort; the result is reduced for a missed goal, overspeed, discomfort after the ego's recent motion, running
a red light, short headway, ending up blocked or facing oncoming traffic, and any contact.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.centreline import Projection
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.metrics.contacts import first_contact_steps
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.navsim import PreviousPlan, comfort_with_history, is_consistent, plan_changes
from wm_planner.driving.metrics.nuplan import MAX_OVERSPEED
from wm_planner.driving.metrics.pdm import PDM, TTC_STEPS, WEIGHTS, first_ttc_violation, pdm_score
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.goal_tracking import GoalTracker
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.traffic.lane_following import LaneFollowingForecaster
from wm_planner.driving.vehicle.comfort import Comfort, within_limits

Floats = NDArray[np.float64]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
PositiveReal = Annotated[float, msgspec.Meta(gt=0)]

_TIE_BREAKER = 1e-3  # between equal scores, the later first contact wins
_REACH_MARGIN_M, _REACH_ACCELERATION = 30.0, 4.0  # m and m/s^2: agents beyond this reach are ignored


class ScoredProposals:
    """N proposals and their scores; each term is computed once, when it is first read.

    Attributes:
        context: what the proposals are scored against.
        trajectories: how the vehicle would drive the N proposals.
    """

    def __init__(self, context: "ScoringContext", trajectories: EgoTrajectories) -> None:
        self.context, self.trajectories = context, trajectories

    @cached_property
    def projection(self) -> Projection:
        """The box centres projected onto the path, (N, T) each."""
        return self.context.view.path.line.project(self.trajectories.states[..., :2])

    @cached_property
    def contact_step(self) -> NDArray[np.int64]:
        """The first step of contact with any obstacle in either forecast, (N,); T without contact.

        Obstacles that the ego touches at the first step are ignored.
        """
        first = np.full(self.trajectories.count, self.trajectories.steps)
        for obstacles in (self.context.obstacles, self.context.turning_obstacles):
            hits = first_contact_steps(self.trajectories, obstacles)
            hits[:, (hits == 0).any(axis=0)] = self.trajectories.steps
            first = np.minimum(first, hits.min(axis=1, initial=self.trajectories.steps))
        return first

    @cached_property
    def pdm(self) -> PDM:
        """PDM's score and its subscores."""
        return pdm_score(self.trajectories, self.context.obstacles, self.context.view.drive.road_context)

    @cached_property
    def extended_ttc_violation(self) -> Floats:
        """Fraction of the checked steps from the first violation of the extended TTC check on, (N,)."""
        scoring, road_context = self.context.config, self.context.view.drive.road_context
        steps, checked = np.array(scoring.extended_ttc_steps), scoring.extended_ttc_checked_steps
        agents = self.context.obstacles.window(0, checked + int(steps[-1])).agents()
        ignored = np.zeros((self.trajectories.count, len(agents.kinds)), np.bool_)
        first = first_ttc_violation(self.trajectories, agents, road_context, ignored, steps)
        return np.asarray(1 - np.minimum(first, checked) / checked)

    @cached_property
    def oncoming_conflict(self) -> Floats:
        """How soon after the horizon a proposal meets an oncoming agent, (N,), from 0 (never) to 1.

        The ego is extrapolated along the path at its final speed.
        """
        path, last = self.context.view.path.line, self.trajectories.steps - 1
        steps = np.array(self.context.config.oncoming_steps)
        obstacles = self.context.obstacles.window(last, int(steps[-1]) + 1)
        along = path.project(np.nan_to_num(obstacles.states[0, :, :2])).yaw
        speed_along = np.cos(obstacles.states[0, :, YAW] - along) * obstacles.states[0, :, SPEED]
        oncoming = speed_along < -self.context.config.oncoming_speed
        if not oncoming.any():
            return np.zeros(self.trajectories.count)
        s, d = self.projection.s[:, -1:], self.projection.d[:, -1:]
        ego = path.poses(s + self.trajectories.speed[:, -1:] * self.trajectories.dt * steps, d)
        agents = obstacles.states[steps][:, oncoming, :3]
        hit = collision.first_collisions(
            ego, self.trajectories.vehicle.size, agents, obstacles.sizes[oncoming]
        )
        return np.asarray(1 - hit.min(axis=1) / len(steps))

    @cached_property
    def comfort_violation(self) -> Floats:
        """Fraction of nuPlan's comfort limits exceeded from now on, given the ego's history, (N,)."""
        history = self.context.ego_history
        comfort = [each[:, len(history) :] for each in comfort_with_history(self.trajectories, history)]
        return np.asarray(1 - np.mean(list(within_limits(Comfort(*comfort)).values()), axis=0))

    @cached_property
    def blocked_at_end(self) -> Floats:
        """How far the final gap to a static obstacle falls short of `swerve_gap_m`, (N,), from 0 to 1."""
        static, vehicle = self.context.view.static_corridor, self.context.view.vehicle
        s, d = self.projection.s[:, -1:], self.projection.d[:, -1:]
        gap = static.s - static.half_length - s - vehicle.length_m / 2
        overlaps = np.abs(static.d - d) < static.half_width + vehicle.width_m / 2
        ahead = (gap > -vehicle.length_m) & overlaps
        gap = np.where(ahead, gap, np.inf).min(axis=1, initial=np.inf)
        return np.asarray(np.clip(1 - gap / self.context.config.swerve_gap_m, 0.0, 1.0))

    @cached_property
    def runs_red_light(self) -> NDArray[np.bool_]:
        """Whether the front crosses the stop line of a red light that the ego could still stop for, (N,)."""
        view, runs = self.context.view, np.zeros(self.trajectories.count, np.bool_)
        steps = range(view.step + 1, view.step + self.trajectories.steps)
        front = self.projection.s + view.vehicle.length_m / 2
        for stop in view.path.stops:
            crossing = (front[:, :-1] <= stop.s) & (front[:, 1:] > stop.s)
            runs |= (crossing & [stop.is_closed(view.lights, step) for step in steps]).any(axis=1)
        return runs

    @cached_property
    def goal_shortfall_m(self) -> Floats:
        """By how much the goal will be missed, (N,), in m; 0 once it has been reached."""
        tracker = self.context.goal_tracker
        if tracker is None:
            return np.zeros(self.trajectories.count)
        return tracker.shortfall(self.trajectories.states, self.context.view.step)

    @cached_property
    def overspeed(self) -> Floats:
        """Mean excess over the target speed of the path, (N,), in m/s."""
        s = self.projection.s
        target = self.context.view.path.target_speeds(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.asarray(np.maximum(self.trajectories.speed - target, 0.0).mean(axis=1))

    @cached_property
    def plan_changes(self) -> list[list[Floats]]:
        """How much the proposals differ from each previous plan; see `navsim.plan_changes`."""
        return [plan_changes(self.trajectories, each) for each in self.context.previous_plans]

    @cached_property
    def plan_consistency(self) -> Floats:
        """Fraction of the previous plans that a proposal is consistent with, (N,); 1 without any."""
        consistent = [is_consistent(changes) for changes in self.plan_changes]
        return np.mean(consistent, axis=0) if consistent else np.ones(self.trajectories.count)

    @cached_property
    def score(self) -> Floats:
        """The score that proposals are selected by, (N,), higher is better."""
        c, pdm, steps = self.context.config, self.pdm, self.trajectories.steps
        rules = (pdm.no_at_fault_collisions, pdm.drivable_area, pdm.driving_direction)
        compliance, weight, extra = np.prod(rules, axis=0), sum(WEIGHTS.values()), c.consistency_weight
        score = (weight * pdm.score + extra * self.plan_consistency * compliance) / (weight + extra)
        if not compliance.any():
            score = self._rule_breaking_score
        score /= 1 + self.goal_shortfall_m / c.goal_shortfall_scale_m
        score *= 1 - c.overspeed_penalty * np.minimum(self.overspeed / MAX_OVERSPEED, 1.0)
        score *= 1 - c.comfort_penalty * (0.5 * (self.comfort_violation > 0) + 0.5 * self.comfort_violation)
        score *= np.where(self.runs_red_light, c.red_light_factor, 1.0) * (
            1 - c.extended_ttc_penalty * self.extended_ttc_violation
        )
        score *= (1 - c.blocked_penalty * self.blocked_at_end) * (
            1 - c.oncoming_penalty * self.oncoming_conflict
        )
        score *= c.contact_factor + (1 - c.contact_factor) * self.contact_step / steps
        return np.asarray(score + _TIE_BREAKER * np.minimum(self.contact_step, pdm.collision_step) / steps)

    @property
    def _rule_breaking_score(self) -> Floats:
        """The base score when every proposal breaks a rule, (N,): later is better, and so is progress."""
        pdm = self.pdm
        late = pdm.collision_step / self.trajectories.steps
        score = np.mean([late, pdm.drivable_area, pdm.driving_direction], axis=0)
        if not pdm.drivable_area.any():  # the start itself may be off the road
            score *= pdm.progress_m / max(pdm.progress_m.max(), 1.0)
        return np.asarray(score)


class ScoringContext:
    """What the proposals of one tick are scored against: the view, forecasts, the goal and previous plans.

    Args:
        horizon: steps of a proposal.
        goal_tracker: the goals; None once they are reached.
        previous_plans: recent plans, each with its age in steps.
        yaw_rates: of the agents, (A,), in rad/s; None if they drive straight on.
        ego_history: past states of the ego's box centre, (L, 6), oldest first, without the current one.
        lane_following: predicts the agents that follow their lanes; None if none do.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """How much each term counts. A penalty is the largest fraction of the score that its term removes.

        Attributes:
            consistency_weight: weight of NAVSIM's extended comfort; PDM's own weights add up to 12.
            goal_shortfall_scale_m: distance short of the goal that halves the score, in m.
            overspeed_penalty: at a mean overspeed of 2.23 m/s or more; nuPlan's weight is 4 of 16.
            comfort_penalty: half of it for exceeding any of nuPlan's comfort limits, half in proportion to
                how many are exceeded; nuPlan's weight is 2 of 16.
            red_light_factor: factor on the score of a proposal that runs a red light.
            extended_ttc_penalty: for a collision course at an extended time to collision. PDM looks 0.9 s
                ahead, less than it takes to react to another agent's manoeuvre.
            extended_ttc_steps: the times to collision to check, in steps, ascending.
            extended_ttc_checked_steps: how many of a proposal's first steps are checked.
            blocked_penalty: for ending up directly behind a static obstacle.
            swerve_gap_m: bumper-to-bumper gap needed to steer around an obstacle, in m.
            oncoming_penalty: for meeting oncoming traffic after the horizon.
            oncoming_steps: steps after the horizon to check for it, ascending.
            oncoming_speed: speed against the path's direction above which an agent is oncoming, in m/s.
            contact_factor: factor on the score at immediate contact, at fault or not; it rises linearly
                to 1 for contact at the end of the horizon.
            turn_yaw_rate: yaw rate above which an agent is predicted to turn, in rad/s; lane changes stay
                below it.
        """

        consistency_weight: NonNegative = 12.0
        goal_shortfall_scale_m: PositiveReal = 4.0
        overspeed_penalty: Fraction = 0.25
        comfort_penalty: Fraction = 0.125
        red_light_factor: Fraction = 0.05
        extended_ttc_penalty: Fraction = 0.3
        extended_ttc_steps: tuple[config.Positive, ...] = (12, 16, 20)
        extended_ttc_checked_steps: config.Positive = 20
        blocked_penalty: Fraction = 0.3
        swerve_gap_m: PositiveReal = 8.0
        oncoming_penalty: Fraction = 0.3
        oncoming_steps: tuple[config.Positive, ...] = tuple(range(2, 31, 2))
        oncoming_speed: NonNegative = 1.0
        contact_factor: Fraction = 0.1
        turn_yaw_rate: NonNegative = 0.2

        def __post_init__(self) -> None:
            for name in ("extended_ttc_steps", "oncoming_steps"):
                steps = getattr(self, name)
                if not steps or any(later <= earlier for earlier, later in pairwise(steps)):
                    raise ValueError(f"{name} is {list(steps)}, wanted one or more steps in ascending order")

    def __init__(
        self,
        view: View,
        horizon: int,
        goal_tracker: GoalTracker | None = None,
        previous_plans: Sequence[PreviousPlan] = (),
        yaw_rates: Floats | None = None,
        ego_history: Floats | None = None,
        lane_following: LaneFollowingForecaster | None = None,
        config: Config | None = None,
    ) -> None:
        self.view, self.horizon, self.goal_tracker = view, horizon, goal_tracker
        self.config = config or self.Config()
        self.previous_plans = tuple(previous_plans)
        self.ego_history = np.zeros((0, view.ego.size)) if ego_history is None else ego_history
        self._yaw_rates = np.zeros(len(view.agents.kinds)) if yaw_rates is None else yaw_rates
        self._lane_following = lane_following
        self._last: tuple[Mapping[str, Floats], ScoredProposals] | None = None

    @cached_property
    def obstacles(self) -> ObstacleBoxes:
        """All obstacles within reach, as far ahead as the scores look: along lanes, straight or turning."""
        steps = self.horizon + max(int(TTC_STEPS[-1]), self.config.oncoming_steps[-1])
        turns = np.where(np.abs(self._yaw_rates) > self.config.turn_yaw_rate, self._yaw_rates, 0.0)
        known = None
        if self._lane_following is not None:
            agents, dt = self.view.agents, self.view.dt
            known = self._lane_following.forecast(
                agents.object_ids, agents.states[0], self._yaw_rates, dt, steps
            )
        forecast = self.view.forecast(steps, turns, known)
        time = self.view.dt * np.arange(steps + 1)
        reach = _REACH_MARGIN_M + max(float(self.view.ego[SPEED]), 0.0) * time
        return forecast.within(self.view.ego[:2], reach + 0.5 * _REACH_ACCELERATION * time**2)

    @cached_property
    def turning_obstacles(self) -> ObstacleBoxes:
        """All obstacles up to the horizon if every yaw rate is a turn, even that of a lane change."""
        return self.view.forecast(self.horizon, self._yaw_rates)

    def evaluate(self, states: Floats) -> ScoredProposals:
        """Score states (N, H + 1, 4 or more) of the rear axle, the first of them the current one."""
        centres = self.view.vehicle.at_centre(states)
        return ScoredProposals(self, EgoTrajectories(centres, self.view.vehicle, self.view.dt))

    def evaluate_rollout(self, states: Mapping[str, Floats]) -> ScoredProposals:
        """Score imagined states by name, (N, H, k); kept until the next rollout, for all costs of one."""
        if self._last is None or self._last[0] is not states:
            imagined = np.concatenate([states[name] for name in ("position", "heading", "speed")], axis=-1)
            now = np.broadcast_to(self.view.ego[:4], (len(imagined), 1, 4))
            self._last = states, self.evaluate(np.concatenate([now, imagined], axis=1))
        return self._last[1]
