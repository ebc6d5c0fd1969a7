"""What a driver remembers from tick to tick of one drive: its last plans, and whether it has arrived."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.aim import Aim
from wm_planner.driving.drive import Drive
from wm_planner.driving.metrics.navsim import Earlier
from wm_planner.driving.planners.base import View
from wm_planner.driving.tracks import SPEED, YAW

Floats = NDArray[np.float64]

BACK_S = 0.5
"""NAVSIM compares plans that are so far apart."""

ROLLING, FASTEST_TURN = 0.5, 1.0
"""Who is slower, in m/s, does not turn; nobody turns faster, in rad/s: what is more is noise."""


class _Made(NamedTuple):
    step: int
    poses: Floats  # (H + 1, 3)
    centres: Floats  # (H + 1, 6)


class Memory:
    """Of one drive; another one, or a step that does not follow, and all is forgotten."""

    def __init__(self) -> None:
        self._drive: Drive | None = None
        self._made: list[_Made] = []
        self._yaws: dict[int, float] = {}

    def look(self, view: View) -> None:
        """Take a new view in."""
        if self._drive is not view.drive:
            self._drive, self._aim, self._reached = view.drive, Aim(view.drive), False
            self._made, self._yaws, self._rates = [], {}, np.zeros(0)
        if self._made and view.step != self._made[-1].step + 1:
            self._made, self._reached = [], False
        yaws = dict(zip(view.agents.bodies.tolist(), view.agents.states[0, :, YAW].tolist(), strict=True))
        before = self._yaws if self._made else {}
        turned = np.array([yaw - before.get(body, yaw) for body, yaw in yaws.items()], np.float64)
        self._rates = np.angle(np.exp(1j * np.nan_to_num(turned))) / view.dt
        self._yaws = yaws
        centre = view.vehicle.centred(view.ego)[None, None, :4]
        self._reached |= bool(self._aim.arrived(centre, view.step)[0])

    def aim(self, view: View) -> Aim | None:
        """The goals; None once they are reached."""
        return None if self._reached else self._aim

    def turns(self, view: View) -> Floats:
        """Yaw rates (A,) of the agents since the last tick, in rad/s."""
        rolls = np.abs(np.nan_to_num(view.agents.states[0, :, SPEED])) > ROLLING
        return np.where(rolls, np.clip(self._rates, -FASTEST_TURN, FASTEST_TURN), 0.0)

    def earlier(self, view: View) -> Sequence[Earlier]:
        """The plan of a tick ago, and the one that NAVSIM compares with."""
        back = {1, round(BACK_S / view.dt)}
        ages = {view.step - made.step: made for made in self._made}
        return [Earlier(ages[age].centres[None], age) for age in sorted(back) if age in ages]

    def plans(self, view: View) -> list[Floats]:
        """The plan of a tick ago, moved on, (1, H + 1, 3), or none."""
        if not self._made:
            return []
        poses = self._made[-1].poses
        step = poses[-1] - poses[-2]
        return [np.concatenate([poses[1:], (poses[-1] + step)[None]])[None]]

    def keep(self, view: View, poses: Floats, states: Floats) -> None:
        """Remember a plan, poses (H + 1, 3), and how it would be driven, (H + 1, 6)."""
        made = _Made(view.step, np.asarray(poses), view.vehicle.centred(states))
        self._made = [*self._made[-round(BACK_S / view.dt) :], made]
