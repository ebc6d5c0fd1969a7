"""State that a driver keeps between the ticks of one drive: recent plans, motion history, goal reached."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.metrics.navsim import PreviousPlan
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.goal_tracking import GoalTracker
from wm_planner.driving.traffic.lane_following import LaneFollowingForecaster

Floats = NDArray[np.float64]

PLAN_AGE_S = 0.5
"""Age of the previous plan that NAVSIM's extended comfort compares with."""

HISTORY_S = 1.5
"""Length of the ego's motion history, as in NAVSIM's history comfort."""

MIN_TURN_SPEED = 0.5
"""Speed in m/s below which an agent is taken to drive straight: its heading is too noisy."""

MAX_YAW_RATE = 1.0
"""Yaw rate of agents in rad/s above which the rest is taken for noise."""

MEDIAN_TICKS = 3
"""Ticks over which yaw rates are median-filtered: recorded headings are noisy."""


class _StoredPlan(NamedTuple):
    step: int
    poses: Floats  # (H + 1, 3), rear axle
    centres: Floats  # (H + 1, 6), states of the box centre as the plan is tracked


class DriverMemory:
    """Memory of one drive; it is reset when the drive changes or a step is skipped.

    Attributes:
        lane_following: predicts agents along the lanes that they follow.
    """

    def __init__(self) -> None:
        self._drive: Drive | None = None

    def _reset(self, drive: Drive) -> None:
        self.lane_following, self._reached = LaneFollowingForecaster(drive.road_context.lanes), False
        self._plans: list[_StoredPlan] = []
        self._centres: list[Floats] = []
        self._yaws: dict[int, float] = {}
        self._rates: dict[int, list[float]] = {}

    def observe(self, view: View) -> None:
        """Take in the view of a new tick."""
        if self._drive is not view.drive:
            self._drive, self._goal_tracker = view.drive, GoalTracker(view.drive)
            self._reset(view.drive)
        elif self._plans and view.step != self._plans[-1].step + 1:
            self._reset(view.drive)
        self._observe_yaws(view)
        centre = view.vehicle.at_centre(view.ego)
        self._centres = [*self._centres[-round(HISTORY_S / view.dt) :], centre]
        self._reached |= bool(self._goal_tracker.arrived(centre[None, None, :4], view.step)[0])

    def _observe_yaws(self, view: View) -> None:
        """Append the yaw rates of all agents."""
        yaws = dict(zip(view.agents.object_ids.tolist(), view.agents.states[0, :, YAW].tolist(), strict=True))
        for agent, yaw in yaws.items():
            rate = float(wrap_to_pi(np.nan_to_num(yaw - self._yaws.get(agent, yaw)))) / view.dt
            self._rates[agent] = [*self._rates.get(agent, [])[1 - MEDIAN_TICKS :], rate]
        self._yaws = yaws

    @property
    def goal_tracker(self) -> GoalTracker | None:
        """The goals; None once they are reached."""
        return None if self._reached else self._goal_tracker

    def history(self) -> Floats:
        """States of the ego's box centre over the last HISTORY_S, without the current one, (L, 6)."""
        return np.reshape(self._centres[:-1], (-1, self._centres[-1].size))

    def yaw_rates(self, view: View) -> Floats:
        """Median-filtered yaw rates of the agents, (A,), in rad/s."""
        moving = np.abs(np.nan_to_num(view.agents.states[0, :, SPEED])) > MIN_TURN_SPEED
        rates = np.array(
            [np.median(self._rates[agent]) for agent in view.agents.object_ids.tolist()], np.float64
        )
        return np.where(moving, np.clip(rates, -MAX_YAW_RATE, MAX_YAW_RATE), 0.0)

    def previous_plans(self, view: View) -> list[PreviousPlan]:
        """The plan of the previous tick, and the one that NAVSIM's extended comfort compares with."""
        wanted_ages = {1, round(PLAN_AGE_S / view.dt)}
        by_age = {view.step - plan.step: plan for plan in self._plans}
        return [PreviousPlan(by_age[age].centres[None], age) for age in sorted(wanted_ages) if age in by_age]

    def shifted_plans(self) -> list[Floats]:
        """The plan of the previous tick, shifted by one step, (1, H + 1, 3); empty without one."""
        if not self._plans:
            return []
        poses = self._plans[-1].poses
        last_step = poses[-1] - poses[-2]
        return [np.concatenate([poses[1:], (poses[-1] + last_step)[None]])[None]]

    def record(self, view: View, poses: Floats, states: Floats) -> None:
        """Store a plan, poses (H + 1, 3), and the states that tracking it leads to, (H + 1, 6)."""
        plan = _StoredPlan(view.step, np.asarray(poses), view.vehicle.at_centre(states))
        self._plans = [*self._plans[-round(PLAN_AGE_S / view.dt) :], plan]
