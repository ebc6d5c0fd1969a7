"""What a driver remembers from tick to tick of one drive: its last plans, and whether it has arrived."""

from collections.abc import Sequence
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

BACK_S = 0.5
"""NAVSIM compares plans that are so far apart."""

LIVED_S = 1.5
"""What has been felt so long ago has no part in what will be."""

ROLLING, FASTEST_TURN = 0.5, 1.0
"""Who is slower, in m/s, does not turn; nobody turns faster, in rad/s: what is more is noise."""

NEWEST = 3
"""Ticks whose median is a yaw rate: recorded headings are noisy."""


class _Made(NamedTuple):
    step: int
    poses: Floats  # (H + 1, 3)
    centres: Floats  # (H + 1, 6)


class DriverMemory:
    """Of one drive; another one, or a step that does not follow, and all is forgotten.

    Attributes:
        lanes: who keeps to which lane.
    """

    def __init__(self) -> None:
        self._drive: Drive | None = None

    def _forget(self, drive: Drive) -> None:
        self.lane_following, self._reached = LaneFollowingForecaster(drive.road_context.lanes), False
        self._made: list[_Made] = []
        self._lived: list[Floats] = []
        self._yaws: dict[int, float] = {}
        self._rates: dict[int, list[float]] = {}

    def observe(self, view: View) -> None:
        """Take a new view in."""
        if self._drive is not view.drive:
            self._drive, self._aim = view.drive, GoalTracker(view.drive)
            self._forget(view.drive)
        elif self._made and view.step != self._made[-1].step + 1:
            self._forget(view.drive)
        self._turn(view)
        centre = view.vehicle.at_centre(view.ego)
        self._lived = [*self._lived[-round(LIVED_S / view.dt) :], centre]
        self._reached |= bool(self._aim.arrived(centre[None, None, :4], view.step)[0])

    def _turn(self, view: View) -> None:
        """Follow how everybody turns."""
        yaws = dict(zip(view.agents.object_ids.tolist(), view.agents.states[0, :, YAW].tolist(), strict=True))
        for body, yaw in yaws.items():
            turned = float(wrap_to_pi(np.nan_to_num(yaw - self._yaws.get(body, yaw)))) / view.dt
            self._rates[body] = [*self._rates.get(body, [])[1 - NEWEST :], turned]
        self._yaws = yaws

    def goal_tracker(self, view: View) -> GoalTracker | None:
        """The goals; None once they are reached."""
        return None if self._reached else self._aim

    def history(self) -> Floats:
        """How the ego's centre came here, (L, 6): the states of LIVED_S, without that of now."""
        return np.reshape(self._lived[:-1], (-1, self._lived[-1].size))

    def yaw_rates(self, view: View) -> Floats:
        """Yaw rates (A,) of the agents, smoothed, in rad/s."""
        rolls = np.abs(np.nan_to_num(view.agents.states[0, :, SPEED])) > ROLLING
        rates = np.array(
            [np.median(self._rates[body]) for body in view.agents.object_ids.tolist()], np.float64
        )
        return np.where(rolls, np.clip(rates, -FASTEST_TURN, FASTEST_TURN), 0.0)

    def previous_plans(self, view: View) -> Sequence[PreviousPlan]:
        """The plan of a tick ago, and the one that NAVSIM compares with."""
        back = {1, round(BACK_S / view.dt)}
        ages = {view.step - made.step: made for made in self._made}
        return [PreviousPlan(ages[age].centres[None], age) for age in sorted(back) if age in ages]

    def shifted_plan(self, view: View) -> list[Floats]:
        """The plan of a tick ago, moved on, (1, H + 1, 3), or none."""
        if not self._made:
            return []
        poses = self._made[-1].poses
        step = poses[-1] - poses[-2]
        return [np.concatenate([poses[1:], (poses[-1] + step)[None]])[None]]

    def record(self, view: View, poses: Floats, states: Floats) -> None:
        """Remember a plan, poses (H + 1, 3), and how it would be driven, (H + 1, 6)."""
        made = _Made(view.step, np.asarray(poses), view.vehicle.at_centre(states))
        self._made = [*self._made[-round(BACK_S / view.dt) :], made]
